package ws_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
)

// internalError is how the reference takes down a socket for what it did not
// expect.
const internalError = "closed 4500 Internal server error"

// difference is a transcript that we answer in another way than the reference,
// knowingly.
type difference struct {
	why  string
	ours []string
	// theirs is the last that comes from the reference.
	theirs string
}

// deliberate lists every such transcript.
var deliberate = func() map[string]difference {
	ack, refused, invalid := "connection_ack", "error 1 with messages", "closed 4400 Invalid message received"
	list := func(words ...string) []string { return append([]string{ack}, words...) }
	document := difference{
		why:  "One bad document is no reason to take the other operations down.",
		ours: list(refused), theirs: internalError,
	}
	variable := difference{
		why:  "The protocol: errors before the execution come as an error message.",
		ours: list(refused), theirs: "complete 1",
	}
	direction := difference{
		why:  "The fault is the client's: 4500 would count as ours.",
		ours: list(invalid), theirs: internalError,
	}
	hello := `next 1 {"data":{"hello":"world"}}`
	return map[string]difference{
		"syntax error": document, "an empty document": document,
		"missing variable": variable, "a variable of a wrong type": variable,
		"next from the client": direction, "ack from the client": direction, "error from the client": direction,
		"id free after complete": {
			why:  "The reference's first operation sends its own complete under the new one's id, most times before it.",
			ours: list(hello, "complete 1"), theirs: "complete 1",
		},
		"an empty operation name": {
			why:  "As in GraphQL over HTTP, an empty name is none.",
			ours: list(hello, "complete 1"), theirs: refused,
		},
	}
}()

func transcripts() map[string][]step {
	ack := step{hello, "connection_ack"}
	return map[string][]step{
		"query":                      {ack, {op("1", "{ hello nothing }"), "complete 1"}},
		"mutation":                   {ack, {op("1", "mutation { bump(by: 3) }"), "complete 1"}},
		"field error":                {ack, {op("1", "{ hello boom }"), "complete 1"}},
		"subscription":               {ack, {op("1", "subscription { count(to: 3) }"), "complete 1"}},
		"subscription without event": {ack, {op("1", "subscription { count(to: 0) }"), "complete 1"}},
		"id used again":              {ack, {op("1", "{ hello }"), "complete 1"}, {op("1", "{ hello }"), "complete 1"}},
		"odd ids":                    {ack, {op("__proto__", "{ hello }"), "complete __proto__"}, {op("é\"<\u2028x", "{ hello }"), "complete é\"<\u2028x"}},
		"variables": {ack, {`{"id":"1","type":"subscribe","payload":{"query":"query Q($t: String!) { echo(text: $t) }",
			"operationName":"Q","variables":{"t":"é\u2028"},"extensions":{"a":1}}}`, "complete 1"}},
		"null variables":       {ack, {`{"id":"1","type":"subscribe","payload":{"query":"{hello}","operationName":null,"variables":null,"extensions":null}}`, "complete 1"}},
		"unknown fields":       {ack, {`{"x":1,"id":"1","type":"subscribe","payload":{"y":2,"query":"{hello}"}}`, "complete 1"}},
		"last of doubles":      {ack, {`{"type":"complete","id":"1","type":"subscribe","payload":1,"payload":{"query":"{nope}","query":"{hello}"}}`, "complete 1"}},
		"validation error":     {ack, {op("1", "{ nope }"), "error 1"}},
		"unknown operation":    {ack, {`{"id":"1","type":"subscribe","payload":{"query":"query A {hello}","operationName":"B"}}`, "error 1"}},
		"syntax error":         {ack, {op("1", "{"), "error 1"}},
		"refused by resolver":  {ack, {op("1", "subscription { refused }"), "complete 1"}},
		"stream breaks":        {ack, {op("1", "subscription { breaks(after: 2) }"), "error 1"}},
		"client completes":     {ack, {op("1", "subscription { idle }"), ""}, {`{"type":"complete","id":"1"}`, ""}, {lastOne, ""}},
		"completes unknown id": {ack, {`{"type":"complete","id":"9"}`, ""}},
		"id free after complete": {
			ack, {op("1", "subscription { idle }"), ""}, {`{"type":"complete","id":"1"}`, ""},
			{op("1", "{ hello }"), "complete 1"},
		},
		"duplicate id":           {ack, {op("1", "subscription { idle }"), ""}, {op("1", "{ hello }"), "never"}},
		"missing variable":       {ack, {`{"id":"1","type":"subscribe","payload":{"query":"query Q($t: String!) { echo(text: $t) }","variables":{}}}`, "error 1|complete 1"}},
		"ping before init":       {{`{"type":"ping"}`, "pong"}},
		"ping payloads":          {{`{"type":"ping","payload":{}}`, "pong"}, {`{"type":"ping","payload":null}`, "pong"}, {`{"type":"ping","payload":{"a":[1,"b"]}}`, "pong"}},
		"unasked pong":           {{`{"type":"pong","payload":{"a":1}}`, ""}, ack, {`{"type":"pong"}`, ""}},
		"ping after ack":         {ack, {`{"type":"ping","payload":{"a":1}}`, "pong"}},
		"init with payload":      {{`{"type":"connection_init","payload":{"token":"good"}}`, "connection_ack"}},
		"init with null payload": {{`{"type":"connection_init","payload":null}`, "connection_ack"}},
		"init refused":           {{`{"type":"connection_init","payload":{"token":"bad"}}`, "never"}},
		"init twice":             {ack, {hello, "never"}},
		"init twice, no ack yet": {{`{"type":"connection_init","payload":{"token":"never"}}`, ""}, {hello, "never"}},
		"ping during init":       {{`{"type":"connection_init","payload":{"token":"never"}}`, ""}, {`{"type":"ping"}`, "pong"}},
		"subscribe during init":  {{`{"type":"connection_init","payload":{"token":"never"}}`, ""}, {op("1", "{ hello }"), "never"}},
		"subscribe before init":  {{op("1", "{ hello }"), "never"}},
		"complete before init":   {{`{"type":"complete","id":"1"}`, ""}},
		"malformed before init":  {{`{}`, "never"}},
		"next from the client":   {ack, {`{"type":"next","id":"1","payload":{}}`, "never"}},
		"ack from the client":    {ack, {`{"type":"connection_ack"}`, "never"}},
		"bad UTF-8":              {ack, {"{\"type\":\"ping\",\"payload\":{\"a\":\"\xff\"}}", "pong"}},
		"too big":                {ack, {`{"type":"ping","payload":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`, "never"}},
		"close to too big":       {ack, {`{"type":"ping","payload":{"a":"` + strings.Repeat("x", 1<<19) + `"}}`, "pong"}},
		// More of the above, and of what follows it.
		"query with both kinds of errors":    {ack, {op("1", "{ hello boom again: boom }"), "complete 1"}},
		"mutations in one operation":         {ack, {op("1", "mutation { a: bump(by: 1) b: bump(by: 2) }"), "complete 1"}},
		"error and then the same id":         {ack, {op("1", "{ nope }"), "error 1"}, {op("1", "{ hello }"), "complete 1"}},
		"broken stream and the same id":      {ack, {op("1", "subscription { breaks(after: 1) }"), "error 1"}, {op("1", "{ hello }"), "complete 1"}},
		"stream breaks before its first":     {ack, {op("1", "subscription { breaks(after: 0) }"), "error 1"}},
		"refused and then the same id":       {ack, {op("1", "subscription { refused }"), "complete 1"}, {op("1", "{ hello }"), "complete 1"}},
		"query while a stream is open":       {ack, {op("1", "subscription { idle }"), ""}, {op("2", "{ hello }"), "complete 2"}, {op("3", "mutation { bump(by: 1) }"), "complete 3"}},
		"two root fields of a subscription":  {ack, {op("1", "subscription { idle count(to: 1) }"), "error 1"}},
		"two operations without a name":      {ack, {op("1", "query A { hello } query B { hello }"), "error 1"}},
		"the second of two operations":       {ack, {`{"id":"1","type":"subscribe","payload":{"query":"query A {hello} query B {nothing}","operationName":"B"}}`, "complete 1"}},
		"fragments alone":                    {ack, {op("1", "fragment A on Query { hello }"), "error 1"}},
		"an operation without a name, named": {ack, {`{"id":"1","type":"subscribe","payload":{"query":"{hello}","operationName":"A"}}`, "error 1"}},
		"an empty operation name":            {ack, {`{"id":"1","type":"subscribe","payload":{"query":"{hello}","operationName":""}}`, "complete 1|error 1"}},
		"an empty document":                  {ack, {op("1", ""), "error 1"}},
		"a variable of a wrong type":         {ack, {`{"id":"1","type":"subscribe","payload":{"query":"mutation M($n: Int!) { bump(by: $n) }","variables":{"n":"x"}}}`, "error 1|complete 1"}},
		"a variable that is not asked for":   {ack, {`{"id":"1","type":"subscribe","payload":{"query":"{hello}","variables":{"x":1}}}`, "complete 1"}},
		"completes what is complete":         {ack, {op("1", "{ hello }"), "complete 1"}, {`{"type":"complete","id":"1"}`, ""}, {`{"type":"complete","id":"1"}`, ""}},
		"completes with a payload":           {ack, {op("1", "subscription { idle }"), ""}, {`{"type":"complete","id":"1","payload":[1]}`, ""}, {lastOne, ""}},
		"subscribes again after completing":  {ack, {op("1", "{ hello }"), "complete 1"}, {`{"type":"complete","id":"1"}`, ""}, {op("1", "subscription { count(to: 1) }"), "complete 1"}},
		"id of another case":                 {ack, {op("a", "subscription { idle }"), ""}, {op("A", "{ hello }"), "complete A"}},
		"a blank id":                         {ack, {op(" ", "{ hello }"), "complete"}},
		"a long id":                          {ack, {op(strings.Repeat("x", 10_000), "{ hello }"), "complete " + strings.Repeat("x", 10_000)}},
		"init with unknown fields":           {{`{"x":1,"type":"connection_init","id":7,"payload":{"a":null}}`, "connection_ack"}},
		"init that breaks":                   {{`{"type":"connection_init","payload":{"token":"panics"}}`, "never"}},
		"ack that can't be written":          {{`{"type":"connection_init","payload":{"token":"unwritable"}}`, "never"}},
		"init twice with an operation":       {ack, {op("1", "subscription { idle }"), ""}, {hello, "never"}},
		"pongs during init":                  {{`{"type":"connection_init","payload":{"token":"never"}}`, ""}, {`{"type":"pong","payload":null}`, ""}, {`{"type":"pong","payload":{}}`, ""}},
		"complete during init":               {{`{"type":"connection_init","payload":{"token":"never"}}`, ""}, {`{"type":"complete","id":"1"}`, ""}},
		"ping with unknown fields":           {{`{"type":"ping","id":1,"x":[],"payload":{"a":1}}`, "pong"}},
		"blanks around a message":            {{" \r\n\t" + `{"type":"ping"}` + " \n", "pong"}},
		"nothing":                            {{"", "never"}},
		"blanks":                             {{" \n", "never"}},
		"a byte order mark":                  {{"\ufeff" + `{"type":"ping"}`, "never"}},
		"a list of messages":                 {ack, {`[{"type":"ping"}]`, "never"}},
		"an empty list":                      {ack, {`[]`, "never"}},
		"a text":                             {ack, {`"ping"`, "never"}},
		"a number":                           {ack, {`1`, "never"}},
		"null":                               {ack, {`null`, "never"}},
		"two messages in one":                {ack, {`{"type":"ping"}{"type":"ping"}`, "never"}},
		"error from the client":              {ack, {`{"type":"error","id":"1","payload":[{"message":"x"}]}`, "never"}},
		"the older protocol":                 {{`{"type":"start","id":"1","payload":{"query":"{hello}"}}`, "never"}},
		"message after the end":              {ack, {hello, ""}, {`{"type":"ping"}`, "never"}},
		"client leaves":                      {ack, closing(1000)},
		"client goes away":                   {ack, {op("1", "subscription { idle }"), ""}, closing(1001)},
		"client gives no code":               {ack, closing(1005)},
		"client has a code of its own":       {closing(4499)},
	}
}

// malformed gives messages made by breaking good ones, the same each time.
func malformed() []string {
	good := []string{
		hello, `{"type":"ping","payload":{"a":1}}`, `{"type":"pong"}`, `{"type":"complete","id":"1"}`,
		`{"type":"subscribe","id":"1","payload":{"query":"{hello}","variables":{},"operationName":null,"extensions":{}}}`,
	}
	values := []string{`null`, `true`, `0`, `""`, `"x"`, `[]`, `{}`, `[{}]`}
	var all []string
	for _, message := range good {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(message), &fields); err != nil {
			panic(err)
		}
		for _, name := range []string{"type", "id", "payload"} {
			for _, value := range values {
				changed := map[string]json.RawMessage{}
				for k, v := range fields {
					changed[k] = v
				}
				changed[name] = json.RawMessage(value)
				all = append(all, string(encode(changed)))
			}
		}
	}
	for _, name := range []string{"query", "variables", "operationName", "extensions"} {
		for _, value := range values {
			if name == "operationName" && value == `""` {
				continue // see "an empty operation name"
			}
			payload := map[string]json.RawMessage{"query": json.RawMessage(`"{hello}"`)}
			payload[name] = json.RawMessage(value)
			all = append(all, string(encode(map[string]any{"type": "subscribe", "id": "1", "payload": payload})))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		message := []byte(good[random.IntN(len(good))])
		at := random.IntN(len(message))
		if random.IntN(2) == 0 {
			message = append(message[:at], message[at+1:]...)
		} else {
			message[at] = byte(0x20 + random.IntN(0x5f))
		}
		all = append(all, string(message))
	}
	return all
}

// answer is what ends a message that is a subscribe after all.
func answer(message string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(message), &fields) != nil || fields["type"] != "subscribe" {
		return ""
	}
	id, _ := fields["id"].(string)
	return "complete " + id + "|error " + id
}
