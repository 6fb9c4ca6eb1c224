package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/ent/gen/contentrequest"
	"parley/ent/gen/note"
	"parley/ent/gen/privacy"
	"parley/internal/auth"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const owner = "user_owner"

// entity says of one table who may do what; id makes its row, set is a setter
// of an update with its value.
type entity struct {
	create func(ctx context.Context, c *gen.Client) (id any, err error)
	rule   string
	set    string
	value  any
}

// The rules: who sees a row, who may change it.
const (
	owned       = "its owner and admins see it, its owner changes it"
	account     = "it sees itself, admins see it, only the system changes it"
	readByOwner = "its owner, its owner's keys and admins see it, only the system changes it"
	consented   = "its owner, its owner's keys, analysts and admins see it, only the system changes it"
	adminOnly   = "admins see it, only the system changes it"
	systemOnly  = "only the system"
)

func entities() map[string]entity {
	now := store.Now()
	return map[string]entity{
		"User": {func(ctx context.Context, c *gen.Client) (any, error) {
			return owner, c.User.Create().SetID(owner).SetEmail("e").SetEmailKey("e").SetPasswordHash("h").Exec(ctx)
		}, account, "SetRole", "ADMIN"},
		"Note":        {func(ctx context.Context, c *gen.Client) (any, error) { return addNote(ctx, c, "note_1", owner) }, owned, "SetTitle", "new"},
		"Translation": {addTranslation, owned, "SetText", "new"},
		"Glossary": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "glos_1", c.Glossary.Create().SetID("glos_1").SetOwnerID(owner).SetSource("en").SetTarget("es").SetTerms(json.RawMessage("[]")).Exec(ctx)
		}, owned, "SetTerms", json.RawMessage("[1]")},
		"Job": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "job_1", c.Job.Create().SetID("job_1").SetOwnerID(owner).SetKind("k").SetSubjectID("s").SetParentID("p").
				SetLane("l").SetRunID("r").SetMaxAttempts(1).SetRunAt(now).Exec(ctx)
		}, owned, "SetLane", "bulk"},
		"ApiKey": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "key_1", c.ApiKey.Create().SetID("key_1").SetOwnerID(owner).SetName("n").SetKeyHash([]byte("h")).SetScopes([]auth.Scope{}).Exec(ctx)
		}, owned, "SetName", "new"},
		"IdempotencyKey": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "idem_1", c.IdempotencyKey.Create().SetID("idem_1").SetOwnerID(owner).SetOperation("o").
				SetFingerprint("f").SetAnswer([]string{}).Exec(ctx)
		}, systemOnly, "SetFingerprint", "new"},
		"RefreshToken": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "rt_1", c.RefreshToken.Create().SetID("rt_1").SetUserID(owner).SetSessionID("s").SetTokenHash([]byte("h")).SetExpiresAt(now).Exec(ctx)
		}, systemOnly, "SetUsedAt", now},
		"Run": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "run_1", c.Run.Create().SetID("run_1").SetKind("k").SetLane("l").SetPayload(json.RawMessage("{}")).SetMaxAttempts(1).SetRunAt(now).Exec(ctx)
		}, systemOnly, "SetLane", "bulk"},
		"Attempt": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "at_1", c.Attempt.Create().SetID("at_1").SetRunID("r").SetNumber(1).SetWorker("w").SetStartedAt(now).Exec(ctx)
		}, systemOnly, "SetReason", "new"},
		"Outbox": {func(ctx context.Context, c *gen.Client) (any, error) {
			return int64(1), c.Outbox.Create().SetID(1).SetAction("PUBLISH").SetRunID("r").SetAttempt(1).SetRunAt(now).Exec(ctx)
		}, systemOnly, "SetRunAt", now.Add(time.Hour)},
		"EventRow": {func(ctx context.Context, c *gen.Client) (any, error) {
			return int64(1), c.EventRow.Create().SetID(1).SetShard(1).SetAudience("u:" + owner).SetTopic("t").SetType("t").
				SetObjectID("o").SetVersion(1).SetCreatedAt(now).Exec(ctx)
		}, systemOnly, "SetPosition", int64(9)},
		"EventLog": {func(ctx context.Context, c *gen.Client) (any, error) {
			return 1, c.EventLog.Create().SetID(1).SetEpoch("e").Exec(ctx)
		}, systemOnly, "SetEpoch", "new"},
		"StreamPosition": {func(ctx context.Context, c *gen.Client) (any, error) {
			return int64(1), c.StreamPosition.Create().SetID(1).SetOwnerID(owner).SetName("key:n").SetEpoch("e").SetPosition(1).SetUpdatedAt(now).Exec(ctx)
		}, systemOnly, "SetPosition", int64(9)},
		"Conversation": {func(ctx context.Context, c *gen.Client) (any, error) { return addConversation(ctx, c) }, owned, "", nil},
		"Utterance":    {addUtterance, owned, "", nil},
		"LearnerError": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "le_1", c.LearnerError.Create().SetID("le_1").SetUserID(owner).SetUtteranceID("u").SetClientKey("k").SetOrdinal(0).
				SetCategory("c").SetSubcategory("s").Exec(ctx)
		}, owned, "", nil},
		"ErrorFrequency": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "ef_1", c.ErrorFrequency.Create().SetID("ef_1").SetUserID(owner).SetCategory("c").SetSubcategory("s").
				SetPair([]byte("c\x00s")).SetLastAt(now).Exec(ctx)
		}, owned, "SetFrequency", int64(9)},
		"ExternalUser": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "xu_1", c.ExternalUser.Create().SetID("xu_1").SetOwnerID(owner).SetExternalID("x").Exec(ctx)
		}, readByOwner, "", nil},
		"ConsentChange": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "cc_1", c.ConsentChange.Create().SetID("cc_1").SetDialogID(1).SetOwnerID(owner).SetState("APPROVED").SetActorID(owner).Exec(ctx)
		}, readByOwner, "", nil},
		"Dialog": {func(ctx context.Context, c *gen.Client) (any, error) { return addDialog(ctx, c, true) }, consented, "SetApproved", false},
		"DialogMessage": {func(ctx context.Context, c *gen.Client) (any, error) {
			if _, err := addDialog(auth.System(ctx, "test"), c, true); err != nil {
				return nil, err
			}
			return "dm_1", c.DialogMessage.Create().SetID("dm_1").SetParentID("dlg_1").SetText("x").Exec(ctx)
		}, systemOnly, "", nil},
		"DialogTombstone": {func(ctx context.Context, c *gen.Client) (any, error) {
			return int64(1), c.DialogTombstone.Create().SetID(1).SetOwnerID(owner).SetErasedAt(now).Exec(ctx)
		}, systemOnly, "", nil},
		"AuditEntry": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "au_1", c.AuditEntry.Create().SetID("au_1").SetReaderID(owner).SetAction("LIST").SetDialogs([]byte{}).Exec(ctx)
		}, adminOnly, "", nil},
		"Media": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "media_1", c.Media.Create().SetID("media_1").SetOwnerID(owner).SetVisibility("PRIVATE").SetHash("h").SetContentType("image/png").
				SetWidth(1).SetHeight(1).SetBytes(1).Exec(ctx)
		}, owned, "", nil}, // public ones: internal/media
		"ContentRequest": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "req_1", c.ContentRequest.Create().SetID("req_1").SetOwnerID(owner).SetKind("TEXT").SetPrompt("p").Exec(ctx)
		}, owned, "SetState", contentrequest.StateFAILED},
		"ContentPart": {func(ctx context.Context, c *gen.Client) (any, error) {
			if err := c.ContentRequest.Create().SetID("req_1").SetOwnerID(owner).SetKind("TEXT").SetPrompt("p").Exec(ctx); err != nil {
				return nil, err
			}
			return "part_1", c.ContentPart.Create().SetID("part_1").SetRequestID("req_1").SetOwnerID(owner).SetKind("TEXT").SetJobID("job_1").
				SetWork(json.RawMessage(`{}`)).Exec(ctx)
		}, owned, "SetText", "x"},
		"Sticker": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "sticker_1", c.Sticker.Create().SetID("sticker_1").SetOwnerID(owner).SetVisibility("PRIVATE").SetScope(owner).SetName("a.png").
				SetNameKey([]byte("a.png")).SetTags([]string{}).SetMediaID("media_1").Exec(ctx)
		}, owned, "SetCaption", "x"}, // public ones: internal/sticker
		"StickerSet": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "set", c.StickerSet.Create().SetID("set").Exec(ctx)
		}, systemOnly, "SetDone", 9},
		"SearchQuery": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "sq_1", c.SearchQuery.Create().SetID("sq_1").SetText("cat").SetTextKey([]byte("cat")).SetLastAt(now).SetListed(true).Exec(ctx)
		}, systemOnly, "SetUsage", int64(9)},
		"Vote": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "vote_1", c.Vote.Create().SetID("vote_1").SetVoter(owner).SetQueryID("sq_1").SetStickerID("s").SetValue(1).SetAt(now).Exec(ctx)
		}, systemOnly, "SetValue", -1},
		"QueryScore": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "qs_1", c.QueryScore.Create().SetID("qs_1").SetQueryID("sq_1").SetStickerID("s").SetUpdatedAt(now).Exec(ctx)
		}, systemOnly, "SetPositives", int64(9)},
		"SearchHour": {func(ctx context.Context, c *gen.Client) (any, error) {
			return int64(1), c.SearchHour.Create().SetID(1).Exec(ctx)
		}, systemOnly, "SetSearches", int64(9)},
		"StickerHour": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "sh_1", c.StickerHour.Create().SetID("sh_1").SetStickerID("s").SetHour(1).Exec(ctx)
		}, systemOnly, "SetChosen", int64(9)},
		"Post": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "post_1", c.Post.Create().SetID("post_1").SetAuthorID(owner).Exec(ctx)
		}, systemOnly, "SetTitle", "new"},
		"Follow": {func(ctx context.Context, c *gen.Client) (any, error) {
			return int64(1), c.Follow.Create().SetID(1).SetFollowerID(owner).SetFolloweeID("user_other").Exec(ctx)
		}, systemOnly, "SetMerged", true},
		"FeedAuthor": {func(ctx context.Context, c *gen.Client) (any, error) {
			return owner, c.FeedAuthor.Create().SetID(owner).Exec(ctx)
		}, systemOnly, "SetFollowers", int64(9)},
		"TimelineEntry": {func(ctx context.Context, c *gen.Client) (any, error) {
			return int64(1), c.TimelineEntry.Create().SetID(1).SetUserID(owner).SetPostID("p").SetAuthorID("a").SetCreatedAt(now).Exec(ctx)
		}, systemOnly, "SetCreatedAt", now.Add(time.Hour)},
		"Block": {func(ctx context.Context, c *gen.Client) (any, error) {
			return int64(1), c.Block.Create().SetID(1).SetBlockerID(owner).SetBlockedID("user_other").Exec(ctx)
		}, systemOnly, "", nil},
		"PostLike": {func(ctx context.Context, c *gen.Client) (any, error) {
			return int64(1), c.PostLike.Create().SetID(1).SetPostID("p").SetUserID(owner).Exec(ctx)
		}, systemOnly, "", nil},
		"PostReport": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "report_1", c.PostReport.Create().SetID("report_1").SetPostID("p").SetReporterID(owner).SetReason("r").Exec(ctx)
		}, systemOnly, "SetReason", "new"},
		"Profile": {func(ctx context.Context, c *gen.Client) (any, error) {
			return owner, c.Profile.Create().SetID(owner).SetHandle("h").SetHandleKey([]byte("h")).SetDisplayName("n").SetNameKey([]byte("n")).Exec(ctx)
		}, systemOnly, "SetDisplayName", "new"},
		"FeedMark": {func(ctx context.Context, c *gen.Client) (any, error) {
			return owner, c.FeedMark.Create().SetID(owner).SetUntil(now).SetMarkedAt(now).Exec(ctx)
		}, systemOnly, "SetUntil", now.Add(time.Hour)},
		"LooseObject": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "h", c.LooseObject.Create().SetID("h").Exec(ctx)
		}, systemOnly, "SetSince", now.Add(time.Hour)},
		"SearchIndex": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "index_1", c.SearchIndex.Create().SetID("index_1").SetModel("m").SetDigest("d").SetDimensions(2).SetTexts(true).SetPictures(false).Exec(ctx)
		}, systemOnly, "SetTotal", 1},
		"Embedding": {func(ctx context.Context, c *gen.Client) (any, error) {
			e, err := c.Embedding.Create().SetIndexID("index_1").SetSource("note").SetObjectID("note_1").SetSide("WORDS").Save(ctx)
			if err != nil {
				return nil, err
			}
			return e.ID, nil
		}, systemOnly, "SetTries", 1},
		"WorkerAnnouncement": {func(ctx context.Context, c *gen.Client) (any, error) {
			return "w_1", c.WorkerAnnouncement.Create().SetID("w_1").SetSeenAt(now).SetAnnouncement(json.RawMessage("{}")).Exec(ctx)
		}, systemOnly, "SetSeenAt", now.Add(time.Hour)},
	}
}

func addNote(ctx context.Context, c *gen.Client, id, owner string) (any, error) {
	return id, c.Note.Create().SetID(id).SetOwnerID(owner).SetTitle("t").SetTitleKey([]byte("t")).SetText("x").SetSearchKey("x").SetLanguage("en").Exec(ctx)
}

func addTranslation(ctx context.Context, c *gen.Client) (any, error) {
	if _, err := addNote(auth.System(ctx, "test"), c, "note_1", owner); err != nil {
		return nil, err
	}
	return "tr_1", c.Translation.Create().SetID("tr_1").SetNoteID("note_1").SetOwnerID(owner).SetLanguage("es").SetTextVersion(1).SetJobID("j").Exec(ctx)
}

func addConversation(ctx context.Context, c *gen.Client) (any, error) {
	return "conv_1", c.Conversation.Create().SetID("conv_1").SetUserID(owner).Exec(ctx)
}

func addUtterance(ctx context.Context, c *gen.Client) (any, error) {
	if _, err := addConversation(auth.System(ctx, "test"), c); err != nil {
		return nil, err
	}
	return "utt_1", c.Utterance.Create().SetID("utt_1").SetConversationID("conv_1").SetUserID(owner).SetText("x").Exec(ctx)
}

func addDialog(ctx context.Context, c *gen.Client, approved bool) (any, error) {
	return "dlg_1", c.Dialog.Create().SetID("dlg_1").SetDialogID(1).SetCustomerID(1).SetOwnerID(owner).SetLanguage("en").SetText("x").
		SetApproved(approved).Exec(ctx)
}

// viewers gives everybody who could ask. The keys may do all that keys can.
func viewers(t *testing.T) map[string]context.Context {
	as := func(id string, role auth.Role) context.Context {
		return auth.With(t.Context(), auth.Viewer{ID: id, Role: role, Session: "sess_1"})
	}
	key := func(owner string) context.Context {
		scopes := auth.ScopesOf(auth.AllScopes()...)
		return auth.With(t.Context(), auth.Viewer{ID: owner, Role: auth.RoleService, Key: "key_1", Scopes: scopes})
	}
	return map[string]context.Context{
		"owner": as(owner, auth.RoleUser), "stranger": as("user_other", auth.RoleUser), "analyst": as("user_other", auth.RoleAnalyst),
		"service": as("user_other", auth.RoleService), "admin": as("user_other", auth.RoleAdmin),
		"owner's key": key(owner), "stranger's key": key("user_other"),
		"anonymous": t.Context(), "empty viewer": as("", auth.RoleUser), "empty admin": as("", auth.RoleAdmin), "system": system(t),
	}
}

// Outcomes of an operation on one row.
const (
	done    = "done"
	missing = "nothing there"
	denied  = "denied"
)

// wanted gives what a viewer's read and change of a row come to.
func wanted(rule, viewer string) (read, change string) {
	switch {
	case viewer == "system":
		return done, done
	case rule == systemOnly, viewer == "anonymous", strings.HasPrefix(viewer, "empty"):
		return denied, denied
	}
	read, change = missing, missing
	key := strings.HasSuffix(viewer, "key")
	switch {
	case viewer == "admin", strings.HasPrefix(viewer, "owner"), viewer == "analyst" && rule == consented:
		read = done
	}
	if viewer == "owner" {
		change = done
	}
	if rule != owned {
		change = denied
	}
	if key && (rule == owned || rule == account) {
		read, change = denied, denied
	}
	if rule == adminOnly && viewer != "admin" {
		read = denied
	}
	return read, change
}

func TestPrivacyOfEveryEntityForEveryViewer(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		all := entities()
		for _, name := range clientsOf(t, s.Client(t.Context())) {
			e, ok := all[name]
			if !ok {
				t.Errorf("the entity %s is not tested", name)
				continue
			}
			for viewer, ctx := range viewers(t) {
				read, change := wanted(e.rule, viewer)
				for operation, want := range map[string]string{
					"Get": read, "Query.Count": read, "Query.All": read, "UpdateOneID": change, "Update": change, "DeleteOneID": change, "Delete": change,
				} {
					if e.set == "" && strings.HasPrefix(operation, "Update") {
						continue // no field of it can change
					}
					got := attempt(t, s, ctx, name, e, operation)
					assert.Equal(t, want, got, "%s of %s by %s: %s, want %s (%s)", operation, name, viewer, got, want, e.rule)
				}
			}
		}
	})
}

func TestADialogWithoutConsentIsSeenByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		waiting := entity{create: func(ctx context.Context, c *gen.Client) (any, error) { return addDialog(ctx, c, false) }}
		for viewer, ctx := range viewers(t) {
			want := missing
			switch {
			case viewer == "system", strings.HasPrefix(viewer, "owner"):
				want = done
			case viewer == "anonymous", strings.HasPrefix(viewer, "empty"):
				want = denied
			}
			for _, operation := range []string{"Get", "Query.Count", "Query.All"} {
				assert.Equal(t, want, attempt(t, s, ctx, "Dialog", waiting, operation), "%s by %s", operation, viewer)
			}
		}
	})
}

// attempt tries one operation on a fresh row and rolls everything back.
func attempt(t *testing.T, s *store.Store, viewer context.Context, name string, e entity, operation string) (outcome string) {
	t.Helper()
	err := s.Tx(viewer, func(ctx context.Context) error {
		c := s.Client(ctx)
		id, err := e.create(auth.System(ctx, "test"), c)
		if err != nil {
			return err
		}
		client := reflect.ValueOf(c).Elem().FieldByName(name)
		n, err := operate(ctx, client, operation, id, e)
		switch {
		case errors.Is(err, privacy.Deny):
			outcome = denied
		case gen.IsNotFound(err), err == nil && n == 0:
			outcome = missing
		case err == nil && n == 1:
			outcome = done
		default:
			t.Errorf("%s of %s: %d rows, %v", operation, name, n, err)
		}
		return errOops
	})
	assert.ErrorIs(t, err, errOops, "%s of %s", operation, name)
	return outcome
}

// operate calls a method of ent's generated client and tells how many rows it
// touched.
func operate(ctx context.Context, client reflect.Value, operation string, id any, e entity) (int, error) {
	call := func(v reflect.Value, method string, args ...any) []reflect.Value {
		m := v.MethodByName(method)
		in := make([]reflect.Value, len(args))
		for i, a := range args {
			in[i] = reflect.ValueOf(a)
			if !m.Type().IsVariadic() {
				in[i] = in[i].Convert(m.Type().In(i))
			}
		}
		return m.Call(in)
	}
	result := func(out []reflect.Value) (int, error) {
		err, _ := out[len(out)-1].Interface().(error)
		n := 1
		if len(out) > 1 {
			switch v := out[0]; v.Kind() { //nolint:exhaustive // the rest is one row
			case reflect.Int:
				n = int(v.Int())
			case reflect.Slice:
				n = v.Len()
			}
		}
		return n, err
	}
	switch operation {
	case "Get":
		return result(call(client, "Get", ctx, id))
	case "Query.Count":
		return result(call(call(client, "Query")[0], "Count", ctx))
	case "Query.All":
		return result(call(call(client, "Query")[0], "All", ctx))
	case "UpdateOneID":
		return result(call(call(call(client, "UpdateOneID", id)[0], e.set, e.value)[0], "Exec", ctx))
	case "Update":
		return result(call(call(call(client, "Update")[0], e.set, e.value)[0], "Save", ctx))
	case "DeleteOneID":
		return result(call(call(client, "DeleteOneID", id)[0], "Exec", ctx))
	default:
		return result(call(call(client, "Delete")[0], "Exec", ctx))
	}
}

// clientsOf lists the entities by the fields of ent's client.
func clientsOf(t *testing.T, c *gen.Client) []string {
	t.Helper()
	var names []string
	v := reflect.TypeOf(c).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.IsExported() && f.Type.String() == "*gen."+f.Name+"Client" {
			names = append(names, f.Name)
		}
	}
	require.GreaterOrEqual(t, len(names), 23, "only %v were found", names)
	return names
}

func TestOnlyOnesOwnRowsCanBeMade(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		for name, e := range entities() {
			for viewer, ctx := range viewers(t) {
				err := s.Tx(ctx, func(ctx context.Context) error {
					if _, err := e.create(ctx, s.Client(ctx)); err != nil {
						return err
					}
					return errOops
				})
				allowed := viewer == "system" || viewer == "owner" && e.rule == owned
				assert.False(t, allowed && !errors.Is(err, errOops) || !allowed && !errors.Is(err, privacy.Deny), "%s made by %s: %v", name, viewer, err)
			}
		}
	})
}

func TestEdgesShowNoRowsOfOthers(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		err := s.Tx(system(t), func(ctx context.Context) error {
			c := s.Client(ctx)
			if _, err := addTranslation(ctx, c); err != nil {
				return err
			}
			// A row that no service would make: a stranger's below the owner's note.
			return c.Translation.Create().SetID("tr_2").SetNoteID("note_1").SetOwnerID("user_other").SetLanguage("fr").
				SetTextVersion(1).SetJobID("j").Exec(ctx)
		})
		require.NoError(t, err)
		c := s.Client(t.Context())
		for viewer, want := range map[string][2]int{"owner": {1, 1}, "stranger": {0, 0}, "analyst": {0, 0}, "admin": {2, 2}, "system": {2, 2}} {
			ctx := viewers(t)[viewer]
			n := c.Note.GetX(system(t), "note_1")
			got, err := n.QueryTranslations().Count(ctx)
			assert.False(t, err != nil || viewer != "stranger" && viewer != "analyst" && got != want[0] || got > 2,
				"%s follows the edge to %d translations, %v", viewer, got, err)
			notes, err := c.Note.Query().Where(note.ID("note_1")).WithTranslations().All(ctx)
			require.NoError(t, err)
			loaded := 0
			for _, n := range notes {
				loaded += len(n.Edges.Translations)
			}
			assert.Equal(t, want[1], loaded, "%s loads %d translations with the note, want %d", viewer, loaded, want[1])
		}
		stranger := viewers(t)["stranger"]
		theirs := c.Translation.GetX(stranger, "tr_2")
		n, err := theirs.QueryNote().Only(stranger)
		assert.True(t, gen.IsNotFound(err), "a stranger follows the edge to %v, %v", n, err)
		with, err := c.Translation.Query().WithNote().All(stranger)
		require.NoError(t, err, "a stranger loads %v", with)
		assert.True(t, len(with) == 1 && with[0].Edges.Note == nil, "a stranger loads %v", with)
		got, err := c.Note.Query().Where(note.HasTranslations()).QueryTranslations().Count(stranger)
		assert.NoError(t, err, "a stranger reaches %d translations through the notes", got)
		assert.LessOrEqual(t, got, 1, "a stranger reaches %d translations through the notes", got)
		_, err = c.Note.GetX(system(t), "note_1").QueryTranslations().Count(t.Context())
		assert.ErrorIs(t, err, privacy.Deny, "nobody follows an edge")
	})
}
