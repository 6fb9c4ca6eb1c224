// Package lasting holds what the transports whose connections last have in
// common: which are open and how they are drained, the operations of one, and how
// requests are read and responses written.
//
// # Goroutines and memory
//
// An operation has a goroutine while it begins and while there is a response to
// send. In between one waits in gqlgen, but for streams that announce their
// messages (resume.Reader): idle, those have none. There is no queue: an operation
// asks gqlgen for its next response only after its Sink has taken the previous one,
// so that it holds one response at most, besides the one that may wait in its
// resolver's channel. Conflating what a slow reader missed is therefore the
// business of whoever fills that channel: it sees that the channel is not taken
// from, and replaces what waits. Nothing here drops or reorders responses.
package lasting
