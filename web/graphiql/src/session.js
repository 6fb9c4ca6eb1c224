// The session that sign-up, sign-in and refresh give: kept for this browser
// tab, so that two tabs can be two users.

const key = 'parley.session';
const nobody = Object.freeze({ accessToken: null, refreshToken: null, email: null });
const listeners = new Set();
let current = load();

function load() {
  try {
    return { ...nobody, ...JSON.parse(sessionStorage.getItem(key) ?? '{}') };
  } catch {
    return nobody;
  }
}

function set(next) {
  current = next;
  sessionStorage.setItem(key, JSON.stringify(next));
  for (const listener of listeners) listener();
}

/** The session now; `accessToken` is null for nobody. */
export const session = () => current;

/** Calls the listener after every change; gives the function that ends it. */
export function onSession(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Keeps the tokens of any payload of a mutation that carries some. */
export function capture(result) {
  for (const payload of Object.values(result?.data ?? {})) {
    if (typeof payload?.accessToken !== 'string') continue;
    set({
      accessToken: payload.accessToken,
      refreshToken: payload.refreshToken ?? null,
      email: payload.viewer?.email ?? null,
    });
    if (!current.email) askForEmail();
  }
}

/** Ends the session, here and on the server. */
export async function signOut() {
  const token = await freshToken();
  set(nobody);
  // Where the server can't be reached, the tokens are gone from here all the same.
  await post('mutation SignOut { signOut { __typename } }', {}, token).catch(() => {});
}

/** The access token, renewed before where its time is over. */
export async function freshToken() {
  if (current.refreshToken && expired(current.accessToken)) {
    await refreshOnce();
  }
  return current.accessToken;
}

let refreshing = null;

// A refresh token works once: two calls at a time must not both use it.
function refreshOnce() {
  refreshing ??= refresh().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function refresh() {
  const { email, refreshToken } = current;
  let result;
  try {
    result = await post(
      'mutation Refresh($input: RefreshInput!) { refresh(input: $input) { accessToken refreshToken } }',
      { input: { refreshToken } },
    );
  } catch {
    return; // unreachable: the call itself will say so
  }
  const payload = result.data?.refresh;
  set(payload ? { ...payload, email } : nobody);
}

async function askForEmail() {
  const asked = current.accessToken;
  const result = await post('{ viewer { email } }', {}, asked).catch(() => null);
  const email = result?.data?.viewer?.email;
  if (email && current.accessToken === asked) set({ ...current, email });
}

function expired(token) {
  try {
    const claims = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
    return claims.exp * 1000 < Date.now() + 5000;
  } catch {
    return false; // not a JWT: the server decides
  }
}

async function post(query, variables, token) {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}
