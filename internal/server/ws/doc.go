// Package ws carries GraphQL over websockets with the graphql-transport-ws
// protocol (https://github.com/enisdenjo/graphql-ws, PROTOCOL.md), as a
// transport for gqlgen's handler.
//
// # Goroutines and memory
//
// One goroutine reads a socket; its operations are as in package lasting, so that an
// idle one whose stream announces its messages has none. There is no writer
// goroutine and no queue: whoever has a message writes it under the socket's lock.
//
// # Resuming
//
// An operation's resume.Reader learns which responses have left. A ping that
// follows carries a number; the pong that repeats it tells that the peer has
// received them, and the reader's position is written down (position.go). When the
// peer comes back on another socket, perhaps of another process, and sends the
// operation again with the same id, its stream goes on from there. The position is
// forgotten when the operation ends while its socket goes on.
//
// # Slow readers
//
// A socket that accepts no byte for Config.WriteTimeout is cut off. A frame is
// then half written, so no close frame can follow: the peer sees 1006, on which
// the official client reconnects; hooks are told CloseTryAgain (1013). No other
// socket waits for it.
//
// # Close codes
//
//	1002  broken framing
//	1007  a text frame that is not UTF-8
//	1009  a message longer than Config.MaxMessage
//	1012  the server restarts (CloseAll)
//	1013  authentication is not available now; a slow reader (as 1006)
//	4400  a message that is not JSON, of unknown type or with wrong fields
//	4401  subscribe before connection_ack
//	4403  authentication refused, or expired
//	4406  the client did not offer graphql-transport-ws
//	4408  no connection_init within Config.InitTimeout, or no sign of life
//	      within Config.PongTimeout after a ping
//	4409  subscribe with the id of a live operation
//	4429  a second connection_init
//	4500  a panic or a bug of ours
//
// The official client reconnects after 1006, 1012, 1013, 4403 and 4408, and
// gives up after 1002, 4400, 4401, 4409, 4429 and 4500. What one operation does
// wrong (syntax, validation, limits) ends that operation with an error message
// and never the socket.
package ws
