// Package node names the Go side of the schema's interfaces and unions, whose
// members are entities that know nothing of GraphQL.
package node

// Node is any object with a global id.
type Node any

// Event is any event of the log.
type Event any

// JobResult is what a job makes.
type JobResult any

// SearchResult is what a search over several kinds finds.
type SearchResult any
