// Package jobspec is the wire contract between the API and its workers: the
// subjects, the kinds of work, and the messages that travel on JetStream and
// core NATS. It imports the standard library only, so that a worker can be
// built from it alone.
package jobspec

import "strings"

// Names of the JetStream streams. Both are work queues: a message is gone once
// it was acknowledged.
const (
	// StreamJobs carries work from the API to the workers.
	StreamJobs = "JOBS"
	// StreamResults carries what became of an attempt back to the recorder.
	StreamResults = "RESULTS"
	// RecorderConsumer is the one durable consumer of RESULTS.
	RecorderConsumer = "recorder"
	// BucketCancel is the key-value bucket that holds the Flag of each run that has one.
	// Workers read it with every heartbeat, so that a lost control message
	// delays a cancellation but never loses it.
	BucketCancel = "cancelled"
	// BucketRecords is the key-value bucket that holds a Record of each run whose
	// attempt is under way, or was when its worker went.
	BucketRecords = "records"
)

// Core NATS subjects.
const (
	// SubjectAnnounce carries an Announcement of each worker every 10 seconds.
	SubjectAnnounce = "ctl.announce"
	// SubjectAnnouncePlease asks every worker to announce itself now. A request
	// gets the first worker's Announcement as its reply as well.
	SubjectAnnouncePlease = "ctl.announce.please"
	// SubjectJobsAll and SubjectResultsAll are what the two streams capture.
	SubjectJobsAll    = "jobs.>"
	SubjectResultsAll = "results.>"
	// SubjectProgressAll matches the progress of every run.
	SubjectProgressAll = "progress.*"
	// SubjectCancelAll matches the cancellation of every run.
	SubjectCancelAll = "ctl.cancel.*"
)

// Lane orders work by who waits for it.
type Lane string

// The lanes. Workers pull them by weight, so that bulk keeps a minimum share.
const (
	LaneInteractive Lane = "interactive"
	LaneBulk        Lane = "bulk"
)

// JobSubject is the subject of one run's work on the JOBS stream. Its last
// token is the run, so that a purge of the subject takes a queued run back and
// the stream holds at most one message per run.
func JobSubject(kind, pool string, lane Lane, run string) string {
	return "jobs." + kind + "." + pool + "." + string(lane) + "." + run
}

// JobFilter matches every run of one kind, pool and lane.
func JobFilter(kind, pool string, lane Lane) string {
	return "jobs." + kind + "." + pool + "." + string(lane) + ".*"
}

// JobConsumer is the durable consumer's name for one kind, pool and lane.
func JobConsumer(kind, pool string, lane Lane) string {
	return kind + "_" + pool + "_" + string(lane)
}

// JobRunFilter matches a run's message whatever its kind, pool and lane.
func JobRunFilter(run string) string { return "jobs.*.*.*." + run }

// ResultSubject is where the worker reports on a run.
func ResultSubject(run string, typ ResultType) string {
	return "results." + run + "." + string(typ)
}

// ProgressSubject carries the lossy progress of a run on core NATS.
func ProgressSubject(run string) string { return "progress." + run }

// CancelSubject tells the worker that holds the run that it has a Flag, which is the
// message.
func CancelSubject(run string) string { return "ctl.cancel." + run }

// Token makes a name fit for one token of a subject and for a consumer's name:
// letters, digits, '-' and '_' stay, everything else becomes '-'.
func Token(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, name)
}
