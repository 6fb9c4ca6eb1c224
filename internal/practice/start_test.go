package practice_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/practice"
)

func TestFirstUseOfAnExternalIDMakesOneLearner(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas []*world) {
		var all sync.WaitGroup
		learners := make([]string, 24)
		for i := range learners {
			all.Go(func() {
				w := replicas[i%len(replicas)]
				learners[i] = w.start(key(t, "owner"), "Zoë 👩").UserID
			})
		}
		all.Wait()
		for _, id := range learners {
			require.Equal(t, learners[0], id)
			require.True(t, strings.HasPrefix(id, "xuser_"))
		}
		require.Equal(t, 1, replicas[0].count("external_users"))
		require.Equal(t, 24, replicas[0].count("conversations"))
		other := replicas[0].start(key(t, "stranger"), "Zoë 👩")
		require.NotEqual(t, learners[0], other.UserID, "names are the account's own")
		second := auth.With(t.Context(), auth.Viewer{ID: "owner", Role: auth.RoleService, Key: "another key", Scopes: auth.ScopesOf(auth.ScopePracticeRecord)})
		require.Equal(t, learners[0], replicas[0].start(second, "Zoë 👩").UserID, "all keys of an account share them")
		signedIn := auth.With(t.Context(), auth.Viewer{ID: "owner", Role: auth.RoleService, Session: "s"})
		require.Equal(t, learners[0], replicas[0].start(signedIn, "Zoë 👩").UserID)
	})
}

func TestWhoMayStartAConversationAndOfWhom(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for _, test := range []struct {
			ctx        context.Context
			externalID *string
			code       apperr.Code
			path       []string
		}{
			{t.Context(), nil, apperr.Unauthenticated, nil},
			{key(t, "owner", auth.ScopePracticeRead), ptr("a"), apperr.Forbidden, nil},
			{key(t, "owner", auth.ScopeDialogsPush), ptr("a"), apperr.Forbidden, nil},
			{key(t, "owner"), nil, apperr.BadInput, []string{"input", "externalId"}},
			{key(t, "owner"), ptr(""), apperr.BadInput, []string{"input", "externalId"}},
			{key(t, "owner"), ptr(strings.Repeat("é", 65)), apperr.BadInput, []string{"input", "externalId"}},
			{key(t, "owner"), ptr("a\x00"), apperr.BadInput, []string{"input", "externalId"}},
			{key(t, "owner"), ptr("\xff"), apperr.BadInput, []string{"input", "externalId"}},
			{person(t, "user_a"), ptr("a"), apperr.Forbidden, []string{"input", "externalId"}},
			{admin(t), ptr("a"), apperr.Forbidden, []string{"input", "externalId"}},
		} {
			_, err := w.Start(test.ctx, practice.StartInput{ExternalID: test.externalID})
			refused(t, err, test.code, test.path...)
		}
		require.Zero(t, w.count("external_users"))
		require.Zero(t, w.count("conversations"))
		c := w.start(key(t, "owner"), strings.Repeat("é", 64))
		require.NotEqual(t, "owner", c.UserID)
		require.Equal(t, "user_a", w.start(person(t, "user_a"), "").UserID)
	})
}

func TestLanguageOfAConversationIsCanonical(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		c, err := w.Start(person(t, "user_a"), practice.StartInput{Language: ptr("PT-br")})
		require.NoError(t, err)
		require.Equal(t, "pt-BR", *c.Language)
		require.Nil(t, w.start(person(t, "user_a"), "").Language)
		_, err = w.Start(person(t, "user_a"), practice.StartInput{Language: ptr("not a language"), ExternalID: ptr(""), IdempotencyKey: ptr("a\x00")})
		refused(t, err, apperr.BadInput, "input", "externalId")
		require.Len(t, apperr.List(err), 3, "every problem at once")
	})
}

func TestSameIdempotencyKeyGivesTheSameConversation(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas []*world) {
		w := replicas[0]
		in := practice.StartInput{ExternalID: ptr("a"), Language: ptr("en"), IdempotencyKey: ptr("k")}
		var all sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			all.Go(func() {
				c, err := replicas[i%len(replicas)].Start(key(t, "owner"), in)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = c.ID
			})
		}
		all.Wait()
		for _, id := range ids {
			require.Equal(t, ids[0], id)
		}
		require.Equal(t, 1, w.count("conversations"))
		same := in
		same.Language = ptr("EN")
		c, err := w.Start(key(t, "owner"), same)
		require.NoError(t, err, "another spelling of the same language")
		require.Equal(t, ids[0], c.ID)
		for _, other := range []practice.StartInput{
			{ExternalID: ptr("b"), Language: ptr("en"), IdempotencyKey: ptr("k")}, {ExternalID: ptr("a"), IdempotencyKey: ptr("k")},
		} {
			_, err := w.Start(key(t, "owner"), other)
			refused(t, err, apperr.IdempotencyMismatch)
		}
		c, err = w.Start(key(t, "stranger"), in)
		require.NoError(t, err)
		require.NotEqual(t, ids[0], c.ID, "keys are the account's own")
		first, err := w.Start(person(t, "user_a"), practice.StartInput{IdempotencyKey: ptr("k")})
		require.NoError(t, err)
		again, err := w.Start(person(t, "user_a"), practice.StartInput{IdempotencyKey: ptr("k")})
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
		for _, bad := range []string{"", strings.Repeat("x", 201), "\x00", "\xff"} {
			_, err := w.Start(person(t, "user_a"), practice.StartInput{IdempotencyKey: &bad})
			refused(t, err, apperr.BadInput, "input", "idempotencyKey")
		}
	})
}
