package jobspec

import (
	"encoding/json"
	"strconv"
	"time"
)

// Job is the message on JOBS: one attempt at one run. It says nothing of who
// asked for it.
type Job struct {
	Run     string `json:"run"`
	Attempt int    `json:"attempt"`
	Kind    string `json:"kind"`
	Pool    string `json:"pool"`
	Lane    Lane   `json:"lane"`
	// Deadline is when the result is no longer wanted; zero means never.
	Deadline time.Time `json:"deadline,omitzero"`
	// Lost is how many workers the run took down in earlier attempts.
	Lost int `json:"lost,omitempty"`
	// Moved is set when the attempt was published before in another lane.
	Moved bool `json:"-"`
	// Payload is the kind's own input, for example Translate.
	Payload json.RawMessage `json:"payload"`
}

// MessageID is the Nats-Msg-Id of an attempt on JOBS: the same attempt
// published twice is stored once. One that moved to another lane is published
// anew.
func (j Job) MessageID() string {
	id := j.Run + ":" + strconv.Itoa(j.Attempt)
	if j.Moved {
		id += ":" + string(j.Lane)
	}
	return id
}

// ResultType says what a Result reports.
type ResultType string

// The types of a Result. Done and Failed end the attempt.
const (
	ResultStarted ResultType = "started"
	ResultDone    ResultType = "done"
	ResultFailed  ResultType = "failed"
	// ResultHeartbeat keeps a long attempt from being rescued.
	ResultHeartbeat ResultType = "heartbeat"
)

// Result is the message on RESULTS.
type Result struct {
	Run     string     `json:"run"`
	Attempt int        `json:"attempt"`
	Kind    string     `json:"kind"`
	Type    ResultType `json:"type"`
	Worker  string     `json:"worker"`
	// StartedAt is when the worker began the attempt, At when it reported.
	StartedAt time.Time `json:"startedAt"`
	At        time.Time `json:"at"`
	// Payload is the kind's own output when Type is ResultDone.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Failure is set when Type is ResultFailed.
	Failure *Failure `json:"failure,omitempty"`
}

// MessageID is the Nats-Msg-Id of a result on RESULTS.
func (r Result) MessageID() string {
	id := r.Run + ":" + strconv.Itoa(r.Attempt) + ":" + string(r.Type)
	if r.Type == ResultHeartbeat {
		id += ":" + strconv.FormatInt(r.At.UnixMilli(), 10)
	}
	return id
}

// Failure is why an attempt failed, in words that its owner may read.
type Failure struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error gives the message.
func (f *Failure) Error() string { return f.Message }

// JobCode gives the code.
func (f *Failure) JobCode() Code { return f.Code }

// Code is a stable word for why an attempt failed.
type Code string

// The codes. Those for which Final holds end a run at once; the others are tried
// again until the attempts are used up.
const (
	CodeInvalidInput        Code = "INVALID_INPUT"
	CodeUnsupportedLanguage Code = "UNSUPPORTED_LANGUAGE"
	CodeModelMissing        Code = "MODEL_MISSING"
	CodeModelBroken         Code = "MODEL_BROKEN"
	CodeWorkerLost          Code = "WORKER_LOST"
	CodeDeadline            Code = "DEADLINE"
	CodeInternal            Code = "INTERNAL"
	// What follows are those of pulling and removing models.

	// CodeModelExists says that there is a bundle of that name.
	CodeModelExists Code = "MODEL_EXISTS"
	// CodeModelBusy says that another process pulls or removes the bundle.
	CodeModelBusy Code = "MODEL_BUSY"
	// CodeSourceMissing says that there is no such repository, revision or bundle.
	CodeSourceMissing Code = "SOURCE_MISSING"
	// CodeSourceDenied says that the hub wants a token, or another one.
	CodeSourceDenied Code = "SOURCE_DENIED"
	// CodeSourceUntrusted says that what came is not what it should be.
	CodeSourceUntrusted Code = "SOURCE_UNTRUSTED"
	// CodeSourceUnreachable says that the hub did not answer as it should.
	CodeSourceUnreachable Code = "SOURCE_UNREACHABLE"
	// CodeNoSpace says that the disk is too full.
	CodeNoSpace Code = "NO_SPACE"

	// CodeOverloaded answers a Query that there is no room for. No job ends with it.
	CodeOverloaded Code = "OVERLOADED"
)

// Final tells whether a failure with this code is not worth another attempt.
func (c Code) Final() bool {
	switch c {
	case CodeInvalidInput, CodeUnsupportedLanguage, CodeDeadline, CodeModelExists, CodeSourceMissing, CodeSourceDenied, CodeSourceUntrusted, CodeNoSpace:
		return true
	}
	return false
}

// Progress is the lossy report of a running attempt on core NATS. Partial is
// the whole text so far, at most MaxPartial bytes of it, so that any one
// message may be lost; within an attempt both fields only grow.
type Progress struct {
	Run      string  `json:"run"`
	Attempt  int     `json:"attempt"`
	Progress float64 `json:"progress"`
	Partial  string  `json:"partial,omitempty"`
	// Preview is a small picture of how far a picture has come, a PNG file of at most
	// MaxPreview bytes.
	Preview []byte `json:"preview,omitempty"`
}

// Record is how far an attempt at a run has come, kept by its worker so that
// another one goes on from there: the same bytes come out as if nothing had
// happened. It counts for the same kind and pool only.
type Record struct {
	Kind string `json:"kind"`
	Pool string `json:"pool"`
	// Data is the kind's own: for a text the tokens so far, for a picture the latents.
	Data json.RawMessage `json:"data"`
}

// MaxLost is how many of its workers a run may take down before it is dead: more would
// let one poisonous input stop a whole pool again and again.
const MaxLost = 2

// Custody is kept of an attempt whose message had to be handed out more than once, until
// it ends: who had it.
type Custody struct {
	Attempt int `json:"attempt"`
	// Workers began the attempt and have not said how it ended.
	Workers []string `json:"workers,omitempty"`
	// Returned tells that the first who was handed the message gave it back.
	Returned bool `json:"returned,omitempty"`
}

// MaxPartial is the largest partial text and MaxPreview the largest preview in bytes, and
// MinProgressInterval the shortest time between two reports of one run.
const (
	MaxPartial          = 256 << 10
	MaxPreview          = 64 << 10
	MinProgressInterval = 100 * time.Millisecond
)

// Timing that API and worker must agree on.
const (
	// AckWait is how long JetStream waits for a sign of life of a worker
	// before it hands the message to another one.
	AckWait = 30 * time.Second
	// HeartbeatInterval is how often a worker gives that sign.
	HeartbeatInterval = AckWait / 3
	// AnnounceInterval is how often a worker announces itself.
	AnnounceInterval = 10 * time.Second
)

// Announcement is what a worker can do, published on SubjectAnnounce.
type Announcement struct {
	Worker  string    `json:"worker"`
	At      time.Time `json:"at"`
	Bundles []Bundle  `json:"bundles"`
	// Folder is the worker's models folder, nil where it has none.
	Folder *Folder `json:"folder,omitempty"`
}

// Bundle is one loaded model with the work that it serves.
type Bundle struct {
	// Name is the bundle's folder name, as the API shows it in Translation.model.
	Name string `json:"name"`
	// Kind is the work it does, for example KindTranslate, and Pool the queue
	// that the worker pulls for it.
	Kind string `json:"kind"`
	Pool string `json:"pool"`
	// Directions are the language pairs of a translation bundle, pivots
	// included.
	Directions []Direction `json:"directions,omitempty"`
	// Mesh are canonical tags of languages each of which it translates into each other:
	// too many for all of their pairs to be directions. Those with English are both.
	Mesh []string `json:"mesh,omitempty"`
	// Digest is that of all files that a translation depends on, 64 hexadecimal digits:
	// where queries about it are asked. It is "" of a bundle that takes none.
	Digest string `json:"digest,omitempty"`
	// Languages are canonical tags of what a bundle of KindEmbed understands, as its README
	// says, at most MaxModelLanguages; none where that says nothing.
	Languages []string `json:"languages,omitempty"`
	// Space is what a bundle of KindEmbed gives, nil for others.
	Space *Space `json:"space,omitempty"`
}

// Direction is a pair of canonical BCP 47 tags.
type Direction struct {
	Source string `json:"source"`
	Target string `json:"target"`
	// Pivot is true when the text goes through English on the way.
	Pivot bool `json:"pivot,omitempty"`
}
