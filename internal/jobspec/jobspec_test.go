package jobspec

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The messages travel between processes of different versions: a name that
// changes here loses work in flight.
func TestMessagesKeepTheirForm(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	for _, test := range []struct {
		message any
		want    string
	}{
		{Job{Run: "r", Attempt: 2, Kind: "translate", Pool: "p", Lane: LaneBulk, Moved: true, Payload: json.RawMessage(`{"a":1}`)},
			`{"run":"r","attempt":2,"kind":"translate","pool":"p","lane":"bulk","payload":{"a":1}}`},
		{Job{Run: "r", Deadline: at, Payload: json.RawMessage("null")},
			`{"run":"r","attempt":0,"kind":"","pool":"","lane":"","deadline":"2026-01-02T03:04:05.000006Z","payload":null}`},
		{Translate{Text: "t", Source: "en", Target: "es"}, `{"text":"t","source":"en","target":"es"}`},
		{Translated{Text: "t", Model: "m"}, `{"text":"t","model":"m"}`},
		{Result{Run: "r", Attempt: 1, Kind: "k", Type: ResultDone, Worker: "w", StartedAt: at, At: at, Payload: json.RawMessage("1")},
			`{"run":"r","attempt":1,"kind":"k","type":"done","worker":"w","startedAt":"2026-01-02T03:04:05.000006Z","at":"2026-01-02T03:04:05.000006Z","payload":1}`},
		{Result{Type: ResultFailed, Failure: &Failure{CodeWorkerLost, "m"}},
			`{"run":"","attempt":0,"kind":"","type":"failed","worker":"","startedAt":"0001-01-01T00:00:00Z","at":"0001-01-01T00:00:00Z","failure":{"code":"WORKER_LOST","message":"m"}}`},
		{Progress{Run: "r", Attempt: 1, Progress: 0.5, Partial: "p"}, `{"run":"r","attempt":1,"progress":0.5,"partial":"p"}`},
		{Job{Run: "r", Lost: 1, Payload: json.RawMessage("1")}, `{"run":"r","attempt":0,"kind":"","pool":"","lane":"","lost":1,"payload":1}`},
		{Custody{Attempt: 1, Workers: []string{"w"}, Returned: true}, `{"attempt":1,"workers":["w"],"returned":true}`},
		{Bundle{Name: "n", Kind: "k", Pool: "p", Mesh: []string{"en", "es"}}, `{"name":"n","kind":"k","pool":"p","mesh":["en","es"]}`},
		{Embed{Texts: []string{"t"}, Pictures: [][]byte{{0, 255}}}, `{"texts":["t"],"pictures":["AP8="]}`},
		{Embedded{Model: "m", Digest: "d", Dimensions: 1, Vectors: []Embedding{{Vector: NewVector([]float32{1})}, {Failure: &Failure{CodeInvalidInput, "m"}}}},
			`{"model":"m","digest":"d","dimensions":1,"vectors":[{"vector":"AACAPw=="},{"failure":{"code":"INVALID_INPUT","message":"m"}}]}`},
		{Bundle{Name: "n", Kind: "k", Pool: "p", Space: &Space{Digest: "d", Dimensions: 384, Texts: true}},
			`{"name":"n","kind":"k","pool":"p","space":{"digest":"d","dimensions":384,"texts":true}}`},
		{Query{Within: 300, Payload: json.RawMessage(`{"text":"t"}`)}, `{"within":300,"payload":{"text":"t"}}`},
		{Answer{Failure: &Failure{CodeOverloaded, "m"}}, `{"failure":{"code":"OVERLOADED","message":"m"}}`},
		{EmbedQuery{Text: "t"}, `{"text":"t"}`},
		{EmbedAnswer{"m", "d", NewVector([]float32{1, -2})}, `{"model":"m","digest":"d","vector":"AACAPwAAAMA="}`},
		{Bundle{Name: "n", Kind: "k", Pool: "p", Digest: "d"}, `{"name":"n","kind":"k","pool":"p","digest":"d"}`},
		{Bundle{Name: "n", Kind: "k", Pool: "p", Languages: []string{"en"}}, `{"name":"n","kind":"k","pool":"p","languages":["en"]}`},
		{TranslateQuery{"t", "es", "en"}, `{"text":"t","source":"es","target":"en"}`},
		{TranslateAnswer{"m", "d", "t"}, `{"model":"m","digest":"d","text":"t"}`},
		{Record{Kind: "k", Pool: "p", Data: json.RawMessage("[1]")}, `{"kind":"k","pool":"p","data":[1]}`},
		{Announcement{Worker: "w", At: at, Bundles: []Bundle{{Name: "n", Kind: "k", Pool: "p", Directions: []Direction{{"en", "es", true}, {"es", "en", false}}}}},
			`{"worker":"w","at":"2026-01-02T03:04:05.000006Z","bundles":[{"name":"n","kind":"k","pool":"p","directions":[{"source":"en","target":"es","pivot":true},{"source":"es","target":"en"}]}]}`},
	} {
		got, err := json.Marshal(test.message)
		assert.NoError(t, err, "%T is\n%s", test.message, got)
		assert.Equal(t, test.want, string(got), "%T is\n%s", test.message, got)
	}
}

func TestAMessagesIDIsOneForEachAttemptAndReport(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(5)
	for want, got := range map[string]string{
		"r:1":             Job{Run: "r", Attempt: 1, Lane: LaneBulk}.MessageID(),
		"r:2":             Job{Run: "r", Attempt: 2}.MessageID(),
		"r:1:interactive": Job{Run: "r", Attempt: 1, Lane: LaneInteractive, Moved: true}.MessageID(),
		"r:1:done":        Result{Run: "r", Attempt: 1, Type: ResultDone, At: at}.MessageID(),
		"r:1:heartbeat:5": Result{Run: "r", Attempt: 1, Type: ResultHeartbeat, At: at}.MessageID(),
	} {
		assert.Equal(t, want, got)
	}
}

func TestSubjectsLieInTheirStreamsAndMatchTheirFilters(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ subject, filter string }{
		{JobSubject("translate", "p", LaneBulk, "run_1"), SubjectJobsAll},
		{JobSubject("translate", "p", LaneBulk, "run_1"), JobFilter("translate", "p", LaneBulk)},
		{JobSubject("translate", "p", LaneInteractive, "run_1"), JobRunFilter("run_1")},
		{ResultSubject("run_1", ResultDone), SubjectResultsAll},
		{ProgressSubject("run_1"), SubjectProgressAll},
		{CancelSubject("run_1"), SubjectCancelAll},
		{QuerySubject(KindEmbed, "a.b"), "query.embed.a-b"},
	} {
		assert.True(t, matches(test.subject, test.filter), "%s does not match %s", test.subject, test.filter)
	}
	for _, test := range []struct{ subject, filter string }{
		{JobSubject("translate", "p", LaneBulk, "run_1"), JobFilter("translate", "p", LaneInteractive)},
		{JobSubject("translate", "q", LaneBulk, "run_1"), JobFilter("translate", "p", LaneBulk)},
		{JobSubject("translate", "p", LaneBulk, "run_2"), JobRunFilter("run_1")},
		{SubjectAnnounce, SubjectCancelAll},
	} {
		assert.False(t, matches(test.subject, test.filter), "%s matches %s", test.subject, test.filter)
	}
	name := JobConsumer("translate", "p", LaneBulk)
	assert.False(t, strings.ContainsAny(name, ". *>"), "%q is no consumer's name", name)
}

func TestAVectorIsExact(t *testing.T) {
	t.Parallel()
	values := []float32{0, float32(math.Copysign(0, -1)), 1, -1.5, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Inf(-1)), 0.1}
	data, err := json.Marshal(NewVector(values))
	require.NoError(t, err)
	var v Vector
	require.NoError(t, json.Unmarshal(data, &v))
	got, err := v.Values()
	require.NoError(t, err)
	require.Len(t, got, len(values))
	for i := range values {
		assert.Equal(t, math.Float32bits(values[i]), math.Float32bits(got[i]))
	}
	_, err = Vector{1, 2, 3}.Values()
	assert.Error(t, err)
	none, err := Vector(nil).Values()
	assert.NoError(t, err)
	assert.Empty(t, none)
}

// The largest result that the bounds allow, and the largest payload, fit into a message.
func TestEmbedFitsIntoAMessage(t *testing.T) {
	t.Parallel()
	const message = 1 << 20
	for _, dimensions := range []int{64, 384, 512, 768, 1024, 4096} {
		out := Embedded{Model: strings.Repeat("m", 100), Digest: strings.Repeat("d", 64), Dimensions: dimensions}
		for range min(MaxEmbedItems, MaxEmbedValues/dimensions) {
			out.Vectors = append(out.Vectors, Embedding{Vector: NewVector(make([]float32, dimensions))})
		}
		payload, err := json.Marshal(out)
		require.NoError(t, err)
		result, err := json.Marshal(Result{Run: "r", Payload: payload})
		require.NoError(t, err)
		assert.Less(t, len(result), message*3/4, "%d dimensions", dimensions)
	}
	payload, err := json.Marshal(Embed{Pictures: [][]byte{make([]byte, 575<<10)}})
	require.NoError(t, err)
	assert.LessOrEqual(t, len(payload), MaxEmbedPayload)
	assert.Less(t, MaxEmbedPayload, message*4/5)
}

// matches is NATS's rule: * is one token, > the rest.
func matches(subject, filter string) bool {
	tokens := strings.Split(subject, ".")
	for i, f := range strings.Split(filter, ".") {
		switch {
		case f == ">":
			return len(tokens) > i
		case i >= len(tokens) || f != "*" && f != tokens[i]:
			return false
		case i == strings.Count(filter, "."):
			return len(tokens) == i+1
		}
	}
	return false
}

func TestOnlyFailuresThatAnotherTryCantMendAreFinal(t *testing.T) {
	t.Parallel()
	for code, want := range map[Code]bool{
		CodeInvalidInput: true, CodeUnsupportedLanguage: true, CodeDeadline: true,
		CodeModelMissing: false, CodeModelBroken: false, CodeWorkerLost: false, CodeInternal: false, CodeOverloaded: false, "UNKNOWN": false,
	} {
		assert.Equal(t, want, code.Final(), "%s is final", code)
	}
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{"opus-mt", "a.b", "a b", "*", ">", "ü", "\xff", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		token := Token(name)
		assert.False(t, strings.ContainsAny(token, ". *>\t\r\n/\\"), "%q becomes %q", name, token)
		assert.Equal(t, utf8.RuneCountInString(name), utf8.RuneCountInString(token), "%q", name)
		assert.Equal(t, token, Token(token), "%q", name)
	})
}
