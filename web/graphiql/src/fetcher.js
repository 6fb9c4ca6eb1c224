// How GraphiQL reaches the server: queries and mutations by POST, subscriptions
// over a websocket that speaks graphql-transport-ws.

import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';

import { fill, remember } from './placeholders.js';
import { capture, freshToken, onSession, session } from './session.js';

const socketURL = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`;

const socket = createClient({
  url: socketURL,
  retryAttempts: 10,
  connectionParams: async () => {
    const token = await freshToken();
    return token ? { authorization: `Bearer ${token}` } : {};
  },
});

// A socket belongs to who opened it. Ending it makes running subscriptions
// come back on a new one.
let openedFor = session().accessToken;
onSession(() => {
  if (session().accessToken === openedFor) return;
  openedFor = session().accessToken;
  socket.terminate();
});

/** GraphiQL's fetcher. */
export async function fetcher(params, options = {}) {
  const operation = operationOf(params);
  const request = { ...params, variables: fill(params.variables) };
  if (operation) request.operationName = operation.name?.value;
  if (operation?.operation === 'subscription') return subscribe(request);
  return post(request, options.headers);
}

// What GraphiQL says of the operation is a moment old right after a change of
// tabs, so the query itself is read. null: the server shall say what is wrong.
function operationOf({ query, operationName }) {
  try {
    const document = parse(query);
    return getOperationAST(document, operationName) ?? getOperationAST(document);
  } catch {
    return null;
  }
}

async function post(request, headers = {}) {
  const token = await freshToken();
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json;q=0.9',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...headers, // what was typed in the headers editor wins
    },
    body: JSON.stringify(request),
  });
  const text = await response.text();
  let result;
  try {
    result = JSON.parse(text);
  } catch {
    throw new Error(`The server answered ${response.status} ${response.statusText}: ${text.slice(0, 500)}`);
  }
  capture(result);
  remember(result);
  return result;
}

async function* subscribe(request) {
  try {
    for await (const result of socket.iterate(request)) {
      remember(result);
      yield result;
    }
  } catch (problem) {
    throw explained(problem);
  }
}

// The client ends a subscription with the socket's close event, with GraphQL
// errors, or with an Error; GraphiQL shows only the last well.
function explained(problem) {
  if (Array.isArray(problem)) return new Error(problem.map(({ message }) => message).join('\n'));
  if (typeof problem?.code === 'number') {
    return new Error(`The websocket was closed: ${problem.code} ${problem.reason || '(no reason given)'}`);
  }
  return problem;
}
