package indexing_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/auth"
	"parley/internal/catalog"
	"parley/internal/directory"
	"parley/internal/dispatch"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/indexing"
	"parley/internal/job"
	"parley/internal/live"
	"parley/internal/natsx"
	"parley/internal/outbox"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

// patience is how long a test waits for something before it fails.
const patience = 120 * time.Second

// world is a database and a NATS that processes share.
type world struct {
	t    testing.TB
	url  string
	nats *natsx.Embedded
	// shared is the database of vectors; nil where each process has them in memory.
	shared *sql.DB
}

func newWorld(t testing.TB, url string) *world {
	t.Helper()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "secret"})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	w := &world{t: t, url: url, nats: e}
	s := dbtest.Open(t, url)
	require.NoError(t, s.Tx(t.Context(), func(ctx context.Context) error {
		kind := "BLOB"
		if s.Postgres() {
			kind = "BYTEA"
		}
		_, err := s.Exec(ctx, "CREATE TABLE things (id VARCHAR PRIMARY KEY, version BIGINT NOT NULL, words TEXT NOT NULL, picture "+kind+", labels TEXT NOT NULL)")
		return err
	}))
	require.NoError(t, w.connect().EnsureStreams(t.Context()))
	return w
}

func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) { test(t, newWorld(t, url)) })
}

// onEach is onBoth, and a world whose processes share a database of vectors.
func onEach(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	onBoth(t, test)
	t.Run("shared", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, dbtest.Postgres(t))
		w.shared = testkit.PGVector(t)
		test(t, w)
	})
}

func (w *world) connect() *natsx.Bus {
	w.t.Helper()
	b, err := w.nats.Connect(natsx.Options{})
	require.NoError(w.t, err)
	w.t.Cleanup(b.Close)
	return b
}

// process is an API process with all that indexing needs of one.
type process struct {
	*indexing.Service
	t        testing.TB
	store    *store.Store
	log      *event.Log
	jobs     *job.Service
	workers  *directory.Directory
	hub      *live.Hub
	follower *indexing.Follower
	keeper   *indexing.Keeper
	recorder *outbox.Recorder
	relay    *outbox.Relay
	stops    []func()
}

// open makes a process whose files lie in a folder; nothing runs yet.
func (w *world) open(folder string, cfg indexing.Config) *process {
	w.t.Helper()
	p := &process{t: w.t, store: dbtest.Open(w.t, w.url)}
	bus := w.connect()
	var err error
	p.log, err = event.Open(w.t.Context(), p.store)
	require.NoError(w.t, err)
	waker := outbox.NewWaker(bus)
	p.log.OnCommit(waker.Wake)
	workers := directory.New(p.store)
	jobs := job.New(p.store, p.log, workers, job.Config{MaxAttempts: 3, RetryBase: time.Millisecond, Lost: time.Second})
	cfg.Sources = []indexing.Source{things(p.store)}
	if cfg.Retry == 0 {
		cfg.Retry = 10 * time.Millisecond
	}
	p.Service, err = indexing.New(p.store, p.log, jobs, workers, cfg)
	require.NoError(w.t, err)
	set, err := domain.NewSet(domain.Jobs(jobs), p.Domain(), catalog.New(p.store, p.log, jobs, workers).Domain())
	require.NoError(w.t, err)
	p.log.Announce(set.Types())
	for _, k := range set.Kinds() {
		jobs.Register(k)
	}
	p.jobs, p.workers = jobs, workers
	box := dispatch.New(p.store, p.log, jobs, workers)
	p.hub, err = live.NewHub(p.log, bus, set)
	require.NoError(w.t, err)
	p.follower = &indexing.Follower{Service: p.Service, Listen: p.listen, Folder: folder, Shared: w.shared}
	p.keeper = &indexing.Keeper{Service: p.Service, Listen: p.listen, Follower: p.follower, Tick: 200 * time.Millisecond}
	p.recorder = &outbox.Recorder{Jobs: jobs, Workers: workers, Outbox: box, Bus: bus}
	p.relay = &outbox.Relay{
		Store: p.store, Log: p.log, Jobs: jobs, Outbox: box, Bus: bus, Waker: waker, Invalidate: set.Invalidate,
		Config: outbox.Config{Poll: 20 * time.Millisecond, RescueEvery: 200 * time.Millisecond},
	}
	return p
}

func (p *process) listen(wake func()) func() {
	return p.hub.Listen([]string{indexing.Audience}, []string{indexing.Audience}, live.Listener{Event: func(event.Event) { wake() }, Lost: wake})
}

// start runs a process until stop or the test's end.
func (w *world) start(folder string, cfg indexing.Config) *process {
	w.t.Helper()
	p := w.open(folder, cfg)
	for _, run := range []func(context.Context) error{p.recorder.Run, p.relay.Run, p.hub.Run, p.follower.Run, p.keeper.Run} {
		p.stops = append(p.stops, background(w.t, run))
	}
	return p
}

// stop ends a process as lifecycle does: what was started last first.
func (p *process) stop() {
	for i := len(p.stops) - 1; i >= 0; i-- {
		p.stops[i]()
	}
}

func background(t testing.TB, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			assert.NoError(t, err)
		case <-time.After(patience):
			t.Error("it does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

// work runs a worker with a model of shared/models until stop or the test's end.
func (w *world) work(path ...string) (stop func()) {
	w.t.Helper()
	dir := testkit.Shared(w.t, append([]string{"models"}, path...)...)
	models, err := model.Open(w.t.Context(), dir, pipeline.Options{Library: testkit.ONNX(w.t)})
	require.NoError(w.t, err)
	one, err := worker.New(worker.Config{Bus: w.connect(), Handlers: models.Handlers()})
	require.NoError(w.t, err)
	end := background(w.t, one.Run)
	stop = sync.OnceFunc(func() {
		end()
		assert.NoError(w.t, models.Close())
	})
	w.t.Cleanup(stop)
	return stop
}

// things are the objects of a table of the test's own.
func things(s *store.Store) indexing.Source {
	read := func(ctx context.Context, condition string, args ...any) (all []indexing.Item, err error) {
		err = s.Query(ctx, func(rows *sql.Rows) error {
			var item indexing.Item
			var picture []byte
			var labels string
			if err := rows.Scan(&item.ID, &item.Version, &item.Text, &picture, &labels); err != nil {
				return err
			}
			item.Labels = strings.Fields(labels)
			if picture != nil {
				picture = bytes.Clone(picture)
				item.Picture = func(context.Context) ([]byte, error) { return picture, nil }
				item.PictureKey = fmt.Sprint(len(picture))
			}
			all = append(all, item)
			return nil
		}, "SELECT id, version, words, picture, labels FROM things WHERE "+condition, args...)
		return all, err
	}
	return indexing.Source{
		Name: "thing", Sides: []indexing.Side{indexing.Words, indexing.Picture},
		Page: func(ctx context.Context, after string, limit int) ([]indexing.Item, error) {
			return read(ctx, "id > ? ORDER BY id LIMIT ?", after, limit)
		},
		ByID: func(ctx context.Context, ids []string) (map[string]indexing.Item, error) {
			condition, arg := store.Among(s, "id", ids)
			found, err := read(ctx, condition, arg)
			byID := map[string]indexing.Item{}
			for _, item := range found {
				byID[item.ID] = item
			}
			return byID, err
		},
	}
}

// thing is a row of the table.
type thing struct {
	id, words, labels string
	picture           []byte
}

// put makes or changes things, each with one more version.
func (p *process) put(all ...thing) {
	p.t.Helper()
	require.NoError(p.t, p.store.Tx(p.t.Context(), func(ctx context.Context) error {
		ids := make([]string, len(all))
		for i, one := range all {
			ids[i] = one.id
			if _, err := p.store.Exec(ctx, `INSERT INTO things (id, version, words, picture, labels) VALUES (?, 1, ?, ?, ?)
				ON CONFLICT (id) DO UPDATE SET version = things.version + 1, words = excluded.words, picture = excluded.picture, labels = excluded.labels`,
				one.id, one.words, one.picture, one.labels); err != nil {
				return err
			}
		}
		return p.Changed(ctx, "thing", ids...)
	}))
}

func (p *process) delete(ids ...string) {
	p.t.Helper()
	require.NoError(p.t, p.store.Tx(p.t.Context(), func(ctx context.Context) error {
		condition, arg := store.Among(p.store, "id", ids)
		if _, err := p.store.Exec(ctx, "DELETE FROM things WHERE "+condition, arg); err != nil {
			return err
		}
		return p.Forget(ctx, "thing", ids...)
	}))
}

// drawing is a file of a picture with a colour of its own.
func drawing(t testing.TB, side int, seed uint64) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	one := color.NRGBA{uint8(random.Uint32()), uint8(random.Uint32()), uint8(random.Uint32()), 255}
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			img.Set(x, y, one)
		}
	}
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, img))
	return out.Bytes()
}

func admin(t testing.TB) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: "user_admin", Role: auth.RoleAdmin, Session: "s"})
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, patience, 20*time.Millisecond, what)
}

// active waits until a process answers with an index that has so many texts and pictures.
func (p *process) active(words, pictures int) *indexing.Generation {
	p.t.Helper()
	var g *indexing.Generation
	eventually(p.t, fmt.Sprintf("%d words and %d pictures", words, pictures), func() bool {
		var ok bool
		g, ok = p.follower.Active()
		return ok && g.Len(p.t.Context(), "thing", indexing.Words) == words && g.Len(p.t.Context(), "thing", indexing.Picture) == pictures
	})
	return g
}
