package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/account"
	"parley/internal/auth"
	"parley/internal/config"
	"parley/internal/content"
	"parley/internal/dialog"
	"parley/internal/feed"
	"parley/internal/feedback"
	"parley/internal/jobspec"
	"parley/internal/media"
	"parley/internal/note"
	"parley/internal/page"
	"parley/internal/practice"
	"parley/internal/resume"
	"parley/internal/sticker"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// life is an account with something of everything that parley keeps of one, each
// with the word in it where people write words.
type life struct {
	*parts
	t                *testing.T
	word, email      string
	user, key        string
	learners         []string
	queued, running  *gen.Job
	finished, shared *gen.Job
	// written is to write a text.
	written *gen.Job
}

// offline opens the domains as the commands do: no NATS, and nobody who relays.
func offline(t *testing.T, url string) *parts {
	t.Helper()
	cfg, err := config.Load(map[string]string{"database-url": url, "data": t.TempDir()}, func(string) string { return "" }, "")
	require.NoError(t, err)
	p, err := openOffline(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	require.NoError(t, p.workers.Announce(t.Context(), jobspec.Announcement{Worker: "w", At: time.Now(), Bundles: []jobspec.Bundle{{
		Name: "mini", Kind: jobspec.KindTranslate, Pool: "mini",
		Directions: []jobspec.Direction{{Source: "en", Target: "es"}, {Source: "en", Target: "fr"}, {Source: "en", Target: "de"}},
	}, {Name: "writer", Kind: jobspec.KindWrite, Pool: "writer"}, {Name: "painter", Kind: jobspec.KindDraw, Pool: "painter"}}}))
	return p
}

// settle makes an account and fills it. Numbers of dialogs begin at from.
func settle(t *testing.T, p *parts, word string, from int) *life {
	t.Helper()
	l := &life{parts: p, t: t, word: word, email: word + "@example.org"}
	session, err := p.accounts.SignUp(t.Context(), account.SignUpInput{Email: l.email, Password: "correct horse"})
	require.NoError(t, err)
	l.user = session.User.ID
	_, err = p.accounts.Assign(t.Context(), l.email, auth.RoleService)
	require.NoError(t, err)
	name := "a key of " + word
	key, _, err := p.accounts.CreateKey(l.as(auth.RoleService), account.CreateKeyInput{Name: name, Scopes: auth.AllScopes(), IdempotencyKey: &name})
	require.NoError(t, err)
	l.key = key.ID
	l.write()
	l.practise()
	l.push(from)
	l.show()
	l.judge()
	l.wish()
	l.say()
	for _, ctx := range []context.Context{l.as(auth.RoleUser), l.machine()} {
		_, err := p.readers.Ack(ctx, resume.AckInput{ResumeKey: word, UpTo: p.log.Cursor(0)})
		require.NoError(t, err)
	}
	return l
}

// wish has a picture drawn, and a text asked for.
func (l *life) wish() {
	in := content.RequestInput{Prompt: "Draw " + l.word, Kind: content.Instagram, IdempotencyKey: &l.word}
	w, err := l.content.Request(l.as(auth.RoleUser), in)
	require.NoError(l.t, err)
	l.written, err = l.jobs.Get(l.as(auth.RoleUser), w.Request.Edges.Parts[0].JobID)
	require.NoError(l.t, err)
	draw, err := l.jobs.Get(l.as(auth.RoleUser), w.Request.Edges.Parts[1].JobID)
	require.NoError(l.t, err)
	l.report(draw, jobspec.ResultDone, jobspec.Drawn{PNG: []byte(pictureFile(l.t, 9)), Width: 1, Height: 1, Model: "painter", Prompt: "Draw " + l.word})
}

// judge votes on a public sticker.
func (l *life) judge() {
	id := addSticker(l.t, l.parts, fmt.Sprint(lastDialog.Add(1), ".png"))
	done, err := l.feedback.Report(l.as(auth.RoleUser), feedback.ReportInput{Items: []*feedback.Item{{Query: "what everybody looks for", Positive: []string{id}}}})
	require.NoError(l.t, err)
	require.Equal(l.t, 1, done.Results[0].Saved)
	l.feedback.Counted(feedback.Search{Query: "what everybody looks for", Hits: 1})
	require.NoError(l.t, l.feedback.Flush(l.t.Context()))
}

// addSticker adds a public sticker and gives its id.
func addSticker(t *testing.T, p *parts, name string) string {
	t.Helper()
	ctx, id := auth.System(t.Context(), "test"), store.NewID("stk")
	require.NoError(t, p.store.Tx(ctx, func(ctx context.Context) error {
		return p.store.Client(ctx).Sticker.Create().SetID(id).SetName(name).SetNameKey([]byte(name)).SetTags([]string{}).SetMediaID("m").SetVisibility("PUBLIC").Exec(ctx)
	}))
	return id
}

func (l *life) as(role auth.Role) context.Context {
	return auth.With(l.t.Context(), auth.Viewer{ID: l.user, Role: role, Session: "sess"})
}

func (l *life) machine() context.Context {
	return auth.With(l.t.Context(), auth.Viewer{ID: l.user, Role: auth.RoleService, Key: l.key, Scopes: auth.ScopesOf(auth.AllScopes()...)})
}

// write makes a note with translations that wait, are under way and are done, and
// one of which others want the same.
func (l *life) write() {
	english, key := "en", l.word
	create := func(text string) *gen.Note {
		w, err := l.notes.Create(l.as(auth.RoleUser), note.CreateNoteInput{Title: "On " + l.word, Text: text, Language: &english, IdempotencyKey: &key})
		require.NoError(l.t, err)
		key += "."
		return w.Note
	}
	ask := func(n *gen.Note, languages ...string) []*gen.Job {
		jobs, _, err := l.notes.Translate(l.as(auth.RoleUser), note.TranslateNoteInput{NoteID: n.ID, Languages: languages})
		require.NoError(l.t, err)
		return jobs
	}
	jobs := ask(create("All of "+l.word+"."), "es", "fr", "de")
	l.queued, l.running, l.finished = jobs[0], jobs[1], jobs[2]
	l.report(l.running, jobspec.ResultStarted, nil)
	l.report(l.finished, jobspec.ResultDone, jobspec.Translated{Text: "Alles von " + l.word, Model: "mini"})
	l.shared = ask(create("What everybody says."), "es")[0]
	_, err := l.notes.SetGlossary(l.as(auth.RoleUser), note.SetGlossaryInput{Source: "en", Target: "es", Terms: []*note.GlossaryTermInput{{Term: "zzz", Translation: l.word}}})
	require.NoError(l.t, err)
}

// report says what a worker made of a job's run.
func (l *life) report(j *gen.Job, typ jobspec.ResultType, payload any) {
	l.t.Helper()
	data, err := json.Marshal(payload)
	require.NoError(l.t, err)
	require.NoError(l.t, l.jobs.Record(l.t.Context(), []jobspec.Result{{
		Run: j.RunID, Attempt: 1, Kind: j.Kind, Type: typ, Worker: "w", StartedAt: time.Now(), At: time.Now(), Payload: data,
	}}))
}

// practise records what the account itself and a learner whom it named said.
func (l *life) practise() {
	for _, ctx := range []context.Context{l.as(auth.RoleUser), l.machine()} {
		in := practice.StartInput{IdempotencyKey: &l.word}
		if v, _ := auth.From(ctx); v.Key != "" {
			in = practice.StartInput{ExternalID: &l.word}
		}
		c, err := l.practice.Start(ctx, in)
		require.NoError(l.t, err)
		u, err := l.practice.AddUtterance(ctx, practice.UtteranceInput{ConversationID: c.ID, Text: "I goes to " + l.word})
		require.NoError(l.t, err)
		results, err := l.practice.RecordErrors(ctx, []*practice.ErrorInput{{UtteranceID: u.ID, ClientKey: l.word, Category: l.word, Subcategory: "verb"}})
		require.NoError(l.t, err)
		require.NoError(l.t, results[0].Err)
		if c.UserID != l.user {
			l.learners = append(l.learners, c.UserID)
		}
	}
}

// push makes three dialogs: one that its customer agreed to, and the account read,
// one that waits and one that is erased already.
func (l *life) push(from int) {
	for i := range 3 {
		number := fmt.Sprint(from + i)
		key := l.word + number
		_, err := l.dialogs.Push(l.machine(), dialog.PushInput{
			CustomerID: "7", DialogID: dialog.Number(number), Text: "Where is " + l.word + "?", Language: "en", IdempotencyKey: &key,
		})
		require.NoError(l.t, err)
		_, err = l.dialogs.AddMessage(l.machine(), dialog.MessageInput{DialogID: number, Text: "Here is " + l.word + "."})
		require.NoError(l.t, err)
	}
	for i, agreed := range []bool{true, false} {
		_, err := l.dialogs.SetConsent(l.machine(), dialog.ConsentInput{DialogID: fmt.Sprint(from + 2*i), Approved: agreed})
		require.NoError(l.t, err)
	}
	_, err := l.dialogs.Get(l.machine(), fmt.Sprint(from))
	require.NoError(l.t, err)
}

// show uploads a picture, whose pixels are everybody's and whose licence is its own, and adds
// a sticker.
func (l *life) show() {
	_, err := l.media.Upload(l.as(auth.RoleUser), media.UploadInput{
		File: strings.NewReader(pictureFile(l.t, 7)), Visibility: media.Public, Licence: &l.word, IdempotencyKey: &l.word,
	})
	require.NoError(l.t, err)
	added, err := l.stickers.Add(l.as(auth.RoleUser), sticker.AddInput{
		Files: []sticker.File{{Name: l.word + ".png", Content: strings.NewReader(pictureFile(l.t, 8))}}, Captions: []string{l.word}, Tags: [][]string{{l.word}},
		Visibility: media.Private, Licence: &l.word, IdempotencyKey: &l.word,
	})
	require.NoError(l.t, err)
	require.NoError(l.t, added.Results[0].Err)
}

// say publishes a post, and has to do with the authors that ship with parley.
func (l *life) say() {
	ctx := l.as(auth.RoleUser)
	require.NoError(l.t, l.feed.FillDemo(l.t.Context()))
	voices, err := l.feed.Users(ctx, nil, page.Args{})
	require.NoError(l.t, err)
	followed, blocked := voices.Edges[0].Node.ID, voices.Edges[1].Node.ID
	_, err = l.feed.SetProfile(ctx, feed.ProfileInput{Handle: "z_" + strings.ReplaceAll(l.word, " ", "_"), DisplayName: &l.word})
	require.NoError(l.t, err)
	picture, err := l.media.Upload(ctx, media.UploadInput{File: strings.NewReader(pictureFile(l.t, 9)), Visibility: media.Private, Licence: &l.word})
	require.NoError(l.t, err)
	_, err = l.feed.Create(ctx, feed.CreateInput{Title: l.word, ImageID: &picture.Image.ID, IdempotencyKey: &l.word})
	require.NoError(l.t, err)
	_, err = l.feed.Follow(ctx, followed)
	require.NoError(l.t, err)
	_, err = l.feed.Block(ctx, blocked)
	require.NoError(l.t, err)
	posts, err := l.feed.Posts(ctx, &followed, page.Args{})
	require.NoError(l.t, err)
	_, err = l.feed.Like(ctx, posts.Edges[0].Node.ID)
	require.NoError(l.t, err)
	_, err = l.feed.Report(ctx, feed.ReportInput{PostID: posts.Edges[0].Node.ID, Reason: "It is about " + l.word + "."})
	require.NoError(l.t, err)
	_, err = l.feed.MarkSeen(ctx, time.Now())
	require.NoError(l.t, err)
}

// words are what tells that a row is about the account.
func (l *life) words() []string { return append([]string{l.word, l.user, l.key}, l.learners...) }

func onBothOffline(t *testing.T, test func(t *testing.T, p *parts)) {
	t.Helper()
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) { test(t, offline(t, url)) })
}
