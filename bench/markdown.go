package main

import (
	"fmt"
	"strings"
	"time"

	"parley/bench/paper"
)

// markdown is the whole report.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench`; do not edit by hand.\n\n")
	fmt.Fprintf(&b, "- Machine: %s\n- Date: %s, %.0f minutes\n- Commit: %s, measured binary: %s\n- Command: `go run ./bench %s`\n",
		r.machine, r.started.UTC().Format("2006-01-02 15:04 UTC"), r.took.Minutes(), r.commit, r.version, strings.Join(r.args, " "))
	if r.o.quick {
		b.WriteString("- **Quick runs: these figures are rough.**\n")
	}
	b.WriteString(method)
	r.writeRows(&b)
	r.writeDomains(&b)
	r.writeStart(&b)
	r.writeIdle(&b)
	r.writeTokens(&b)
	b.WriteString(baseline)
	return b.String()
}

const method = `
GraphQL over HTTP/1.1 with a real access token, on kept-alive connections; the load tool runs on the same cores (it is
Go and writes requests to the connection itself, because its own cost is taken from the server). Every
process starts on a fresh data folder with its default settings. A figure is the median of at least three runs after a
warm-up. "CPU" is user and system time of the server's process divided by the operations, which other
programs on the machine change much less than the rate; "tool" is the load tool's. The load average is the machine's in
the minute before each run.

- *note, cached*: 16 connections of 8 users read 160 notes of two sentences, each with its translation, on ` + "`parley serve`" + `.
- *createNote*: the same connections write notes of about 300 bytes.
- *no-op jobs*: ` + "`parley serve`" + ` with a worker that has no model, in the same process as by default. 16 users with 2 connections each send
  ` + "`translateNote`" + `, each for a note of its own, and listen on a websocket to ` + "`events`" + `. A job counts when its last state was
  pushed with the translated text: HTTP mutation, relay, JOBS, worker, RESULTS, recorder, relay, push. *End to end* keeps 256
  jobs under way; *at 200/s* sends at even intervals whatever the answers do, and its latency counts from the moment at
  which the mutation was due.
- *pushes*: each subscriber has a websocket of its own with ` + "`events(topics: [NOTES])`" + ` of one account, whose notes are written by one connection; a push
  counts when the subscriber has the event with the note's title. *In a row*: a note is written as soon as the one before was answered. The
  latency counts from the moment at which the mutation was due; that of the last subscriber of an event is what it takes to reach all.
- *practice and dialogs*: 64 connections with one API key (pages: an ANALYST's access token) on parley, PostgreSQL and a NATS server, all on the same
  cores. 1,000 learners have 20 kinds of error each; a call records three errors of each of some learners. A million dialogs, nine of
  ten agreed to; pages are of everything, of one language or of one customer, a third each, and half of them begin
  somewhere in the list; every page is written to the audit log before it is answered. Nothing is read from a cache. *At half load* operations are sent at even intervals
  at half of the rate in the second column, and a latency counts from the moment at which the operation was due. "Others" is
  the CPU of everything else on the machine, which is the database.
- *stickers*: 64 connections of as many accounts on parley with its worker, PostgreSQL and a NATS server, all on the same cores, after the demo set was embedded. Ten
  queries are asked again and again; an item of feedback is about one of 100 queries and 5 of 657 stickers, with votes that change; a page of feedback is of one of
  100 queries with votes on 20 stickers, read by an ANALYST. Limits of rates are off.
- The external stack has the no-op worker for all of its loads, and its "CPU" is parley's alone, without the database's.
`

func (r *report) writeRows(b *strings.Builder) {
	stacks := map[string]string{
		"embedded": "SQLite, embedded NATS and memory cache, one process",
		"external": "PostgreSQL (distribution settings, fsync on), Redis and nats-server on the same machine",
	}
	for _, stack := range []string{"embedded", "external"} {
		any := false
		for _, w := range r.rows {
			if w.stack != stack {
				continue
			}
			if !any {
				fmt.Fprintf(b, "\n## Rates: %s\n\n", stacks[stack])
				b.WriteString("| load | per second | p50 ms | p99 ms | CPU ms/op | tool ms/op | goal | reached | load average |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
			}
			any = true
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", w.name, paper.Thousands(w.rate()), paper.Millis(w.p50()), paper.Millis(w.p99()),
				paper.Millis(w.server()), paper.Millis(w.client()), w.goal, w.reached(), loads(w.runs))
		}
	}
}

func (r *report) writeDomains(b *strings.Builder) {
	any := false
	for _, w := range r.rows {
		if w.stack != "domains" {
			continue
		}
		if !any {
			b.WriteString("\n## Rates: practice, dialogs and stickers on PostgreSQL (distribution settings, fsync on)\n\n")
			b.WriteString("| load | per second | p50 ms | p99 ms | at half load: p50 ms | p99 ms | CPU ms/call | tool ms/call | others ms/call | goal | reached | load average |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
		}
		any = true
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", w.name, paper.Thousands(w.rate()), paper.Millis(w.p50()), paper.Millis(w.p99()),
			paper.Millis(w.halfP50()), paper.Millis(w.halfP99()), paper.Millis(w.server()), paper.Millis(w.client()), paper.Millis(w.others()), w.goal, w.reached(), loads(w.runs))
	}
}

func (r *report) writeStart(b *strings.Builder) {
	if len(r.startFresh) == 0 {
		return
	}
	middle := len(r.startFresh) / 2
	fmt.Fprintf(b, "\n## Start-up and size\n\nFrom the start of `parley serve` until `/readyz` answers, the model loaded; median of %d.\n\n", len(r.startFresh))
	b.WriteString("| measure | figure | goal | reached |\n| --- | --- | --- | --- |\n")
	reached := func(ok bool) string {
		if ok {
			return "yes"
		}
		return "**no**"
	}
	fmt.Fprintf(b, "| ready, fresh data folder (schema and signing key are made) | %s ms | < 2 s | %s |\n", paper.Millis(r.startFresh[middle]), reached(r.startFresh[middle] < 2*time.Second))
	fmt.Fprintf(b, "| ready, used data folder | %s ms | < 2 s | %s |\n", paper.Millis(r.startAgain[middle]), reached(r.startAgain[middle] < 2*time.Second))
	fmt.Fprintf(b, "| memory when ready, model loaded | %.0f MiB | | |\n", mib(r.startMemory[middle]))
	fmt.Fprintf(b, "| size of the binary (without ONNX Runtime's library and models) | %.1f MiB | | |\n", mib(r.binary))
}

func (r *report) writeIdle(b *strings.Builder) {
	if len(r.idle) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Idle subscriptions\n\nWhat the server's process uses more with websockets open, one subscription on each, garbage collected and returned.\n\n")
	b.WriteString("| subscription | open | resident each | heap | stacks | goroutines | goal | reached |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, i := range r.idle {
		reached := "**no**"
		if i.resident <= 20*1024 && i.goroutines <= 2 {
			reached = "yes"
		}
		fmt.Fprintf(b, "| %s | %d | %.1f KiB | %.1f KiB | %.1f KiB | %.2f | 20 KiB, 2 | %s |\n", i.name, i.sockets, i.resident/1024, i.heap/1024, i.stack/1024, i.goroutines, reached)
	}
}

func (r *report) writeTokens(b *strings.Builder) {
	if len(r.tokens) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Translated tokens\n\nThe pipeline of the worker with %s and its own settings, sentences of its reference, batches always full; target tokens.\n\n", r.tokens[0].model)
	b.WriteString("| sentences a batch | tokens per second | CPU ms a token | load average |\n| --- | --- | --- | --- |\n")
	for _, t := range r.tokens {
		fmt.Fprintf(b, "| %d | %s | %s | %s |\n", t.batch, paper.Thousands(median(t.runs, sample.rate)),
			paper.Millis(median(t.runs, func(s sample) time.Duration { return s.server })), loads(t.runs))
	}
}

// baseline is what the systems that parley's rules come from did.
const baseline = `
## For context: the systems that came before

parley covers what six REST systems (Django or FastAPI with Celery) do. Their figures, as measured before parley was
built: 2 cores (a Xeon VM), Debian 12, Python 3.11, Postgres 15 with fsync on, Redis 7.0, wrk 4.1 on the same two cores, 16
connections, 50,000 notes; median of three runs of 4 or 5 s. REST, without authentication where they had none. *Original* is their own code on 2
gunicorn workers and a 2-process Celery worker, *tuned* the same with threads, keep-alive and persistent database connections.
The conditions differ, so only the order of magnitude compares; the external stack above is the nearest.

| load | original | tuned | best run seen | original p50 / p99 ms | CPU ms/request, original |
| --- | --- | --- | --- | --- | --- |
| notes: get, cached | 1,464/s | 1,501/s | 2,072/s | 10.5 / 18.9 | 1.2 |
| notes: create | 173/s | 589/s | 665/s | 92 / 114 | 10.0 |
| jobs end to end, burst of 400, no model | 59 to 78/s | 147 to 200/s | 200/s | | |
| dialogs: insert | 118/s | 584/s | 599/s | 135 / 154 | 14.7 |
| dialogs: page of 100, one language, pages 1 to 10 of 100,000 dialogs | 24/s | 26/s | 27/s | 600 / 805 | 79 |
| dialogs: page of 100 of one customer | 58/s | 115/s | 115/s | 272 / 337 | 32 |
| exercise (generate-exercise) | 654/s | | 671/s | 22 / 79 | 2.8 |
| record 3 errors, without losing or doubling any | about 12/s | | 69/s (one connection) | 250 / 730 | 31 |
| stickers: feedback, an item of 5 stickers | 59/s | 99/s | 102/s | 263 / 328 | 29 |
| stickers: analytics of a query with 20 stickers | 63/s | 81/s | 89/s | 248 / 292 | 29 |
| stickers: digit counter, n up to 10^9 | 2,447/s | 2,371/s | 2,471/s | 6.4 / 10.0 | 0.7 |
| job visible to a client that polls every 100 ms | | | | 127 / 183 (tuned 114 / 118) | |
| job visible to a client that polls without a pause | | | | 29 / 43 (tuned 16 / 61) | |
| job never visible within 5 s (stale cache) | 10 of 100 | 38 of 100 | | | |
`
