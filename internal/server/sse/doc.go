// Package sse carries GraphQL over server-sent events with the graphql-sse
// protocol (https://github.com/enisdenjo/graphql-sse, PROTOCOL.md) in both of
// its modes, as a transport for gqlgen's handler. The event streams are those
// that a browser's EventSource reads
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// # Distinct connections
//
// A POST with a JSON body, or a GET with query, variables, operationName and
// extensions in its URL, whose Accept header prefers text/event-stream, is
// answered by one stream with the responses of its one operation:
//
//	retry: 2137
//
//	:
//
//	event: next
//	id: <cursor>
//	data: {"data":{...}}
//
//	event: complete
//	data:
//
// A GET is what EventSource makes. It comes back by itself when the connection
// ends, with the last id in Last-Event-ID, where resumable subscriptions go on;
// it must be closed on complete, since it would begin again.
//
// # Single connection
//
// PUT gives a token (201), a GET with the token opens the stream, a POST with
// it starts the operation extensions.operationId (202) and a DELETE with
// ?operationId= ends it (200). The token is in X-GraphQL-Event-Stream-Token or
// ?token=. It is of whoever reserved it, by account, session and API key; to
// others it is unknown. Operations run in the context of the stream, whatever
// request has sent them; those that come before the stream begin with it.
//
// # Several processes
//
// Requests with one token may reach different processes. The process that has
// the token listens on a core NATS subject of its own, parley.sse.<digest of
// the token>. Another one sends it the operation, or its end, with the identity
// of the viewer, which is compared there again; no listener means that there is
// no such token. A GET that reaches another process takes the reservation over,
// and with it the subject. Nothing is kept anywhere: a token ends with the
// process that has it, and its client reserves another one.
//
// # Goroutines and memory
//
// The HTTP server's goroutine of a stream only waits. Its operations are as in
// package lasting, so that an idle one whose stream announces its messages has no
// other. There is no queue: whoever has a message writes it under the stream's
// lock. Heartbeats are a timer's.
//
// # Slow readers
//
// A connection that accepts nothing for Config.WriteTimeout is cut off in the
// middle of an event, which clients then drop.
//
// # The end of a stream
//
// A stream that ends without complete (the server restarts, Stream.Close, the
// session is over) is one on which both official clients come back. EventSource
// comes back after a connection that ended, and gives up on any status but 200:
// where others are told 503, it gets an empty stream that asks it to retry.
//
// # Statuses
//
//	200  a stream; a DELETE was understood
//	201  a token
//	202  the operation will be answered on the stream
//	204  the operation was ended while it was being read
//	400  no GraphQL request, a document that can't be parsed, no operation of
//	     that name; in single connection mode also what does not validate
//	401, 403  refused by Config.Open
//	404  no such token, or a stranger's
//	405  a mutation by GET
//	406  no type that could be given is accepted
//	409  the stream is open already; the token is taken; the operation's id is
//	413  the body is longer than Config.MaxBody
//	415  the body is not JSON
//	429  too many operations on one stream, or reservations
//	503  the server restarts; the process with the token does not answer
//
// Errors have the shape {"errors":[{"message","extensions":{"code"}}]}. What
// else is wrong with an operation (in distinct mode also validation) comes as a
// next event.
package sse
