package sticker_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/sticker"
	"parley/internal/store"
)

func TestAChangeChangesWhatItNames(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		s := r.private(owner, "a.png")
		w, err := r.Update(as(t, owner), sticker.UpdateInput{ID: s.ID, Caption: ptr(" an apple "), Tags: []string{"fruit", "FRUIT", "red"}, Licence: ptr("MIT"), ExpectedVersion: ptr(1)})
		require.NoError(t, err)
		require.Equal(t, []any{"a.png", "an apple", []string{"fruit", "red"}, "MIT", int64(2), s.URL}, []any{w.Sticker.Name, w.Sticker.Caption, w.Sticker.Tags, *w.Sticker.Licence, w.Sticker.Version, w.Sticker.URL})
		w, err = r.Update(as(t, owner), sticker.UpdateInput{ID: s.ID, Name: ptr("A.PNG"), Tags: []string{}, Licence: ptr("")})
		require.NoError(t, err, "its own name in another case is free")
		got, err := r.Get(as(t, owner), s.ID)
		require.NoError(t, err)
		require.Equal(t, w.Sticker.Name, got.Name)
		require.Equal(t, []any{"A.PNG", "an apple", 0, int64(3)}, []any{got.Name, got.Caption, len(got.Tags), got.Version})
		require.Nil(t, got.Licence)
		_, err = r.Update(as(t, owner), sticker.UpdateInput{ID: s.ID, Caption: ptr("x"), ExpectedVersion: ptr(2)})
		refused(t, err, apperr.Conflict)
	})
}

func TestBadChangesAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		s := r.private(owner, "a.png")
		r.private(owner, "b.png")
		for _, c := range []struct {
			in   sticker.UpdateInput
			code apperr.Code
			path []string
		}{
			{sticker.UpdateInput{ID: s.ID}, apperr.BadInput, []string{"input", "name"}},
			{sticker.UpdateInput{ID: "sticker_1", Name: ptr("x")}, apperr.BadInput, []string{"input", "id"}},
			{sticker.UpdateInput{ID: store.NewID("sticker"), Name: ptr("x")}, apperr.NotFound, nil},
			{sticker.UpdateInput{ID: s.ID, Name: ptr(" ")}, apperr.BadInput, []string{"input", "name"}},
			{sticker.UpdateInput{ID: s.ID, Name: ptr("B.png")}, apperr.Conflict, []string{"input", "name"}},
			{sticker.UpdateInput{ID: s.ID, Caption: ptr("a\tb")}, apperr.BadInput, []string{"input", "caption"}},
			{sticker.UpdateInput{ID: s.ID, Tags: []string{""}}, apperr.BadInput, []string{"input", "tags"}},
			{sticker.UpdateInput{ID: s.ID, Licence: ptr(strings.Repeat("x", 2001))}, apperr.BadInput, []string{"input", "licence"}},
		} {
			_, err := r.Update(as(t, owner), c.in)
			refused(t, err, c.code, c.path...)
		}
		got, err := r.Get(as(t, owner), s.ID)
		require.NoError(t, err)
		require.Equal(t, int64(1), got.Version)
	})
}

func TestOfChangesThatRaceForANameOneGetsIt(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		all := []*sticker.Sticker{r.private(owner, "a"), r.private(owner, "b"), r.private(owner, "c")}
		errs := make([]error, len(all))
		var wait sync.WaitGroup
		for i, s := range all {
			wait.Go(func() { _, errs[i] = r.Update(as(t, owner), sticker.UpdateInput{ID: s.ID, Name: ptr("one.png")}) })
		}
		wait.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				assert.Equal(t, apperr.Conflict, apperr.CodeOf(err), "%v", err)
			}
		}
		require.Equal(t, 1, won)
	})
}

func TestWhoMaySeeAndChangeASticker(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		_, err := r.Fill(t.Context(), "set", shipped(t, 1, nil))
		require.NoError(t, err)
		list, err := r.List(as(t, owner), sticker.Filter{}, newest, none)
		require.NoError(t, err)
		system := list.Edges[0].Node
		require.True(t, system.System())
		for _, c := range []struct {
			name      string
			who       context.Context
			of        *sticker.Sticker
			see, edit apperr.Code
		}{
			{"owner, private", as(t, owner), r.private(owner, "1"), "", ""},
			{"stranger, private", as(t, stranger), r.private(owner, "2"), apperr.NotFound, apperr.NotFound},
			{"admin, private", admin(t), r.private(owner, "3"), "", apperr.Forbidden},
			{"stranger, public", as(t, stranger), r.public("4"), "", apperr.Forbidden},
			{"another admin, public", auth.With(t.Context(), auth.Viewer{ID: "user_other", Role: auth.RoleAdmin}), r.public("5"), "", ""},
			{"user, the installation's", as(t, stranger), system, "", apperr.Forbidden},
			{"admin, the installation's", admin(t), system, "", ""},
		} {
			code := func(err error) apperr.Code {
				if err == nil {
					return ""
				}
				return apperr.CodeOf(err)
			}
			_, err := r.Get(c.who, c.of.ID)
			require.Equal(t, c.see, code(err), c.name)
			found, err := r.ByID(c.who, []string{c.of.ID})
			require.NoError(t, err)
			require.Equal(t, c.see == "", found[c.of.ID] != nil, c.name)
			_, err = r.Update(c.who, sticker.UpdateInput{ID: c.of.ID, Caption: ptr("x")})
			require.Equal(t, c.edit, code(err), c.name)
			_, err = r.Delete(c.who, c.of.ID)
			require.Equal(t, c.edit, code(err), c.name)
			_, err = r.Get(c.who, c.of.ID)
			require.Equal(t, c.edit == "" || c.see != "", err != nil, c.name)
		}
		key := auth.With(t.Context(), auth.Viewer{ID: owner, Role: auth.RoleService, Key: "key_1"})
		_, err = r.Get(key, r.private(owner, "6").ID)
		require.Error(t, err, "a key reads none")
	})
}

func TestADeletedStickerTakesItsPictureAlong(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		s, twin := r.private(owner, "a.png"), r.private(stranger, "a.png")
		_, err := r.media.Delete(as(t, owner), s.Picture.ID)
		refused(t, err, apperr.NotFound)
		w, err := r.Delete(as(t, owner), s.ID)
		require.NoError(t, err)
		require.Equal(t, s.ID, w.Sticker.ID)
		_, err = r.Delete(as(t, owner), s.ID)
		refused(t, err, apperr.NotFound)
		require.Equal(t, []int{1, 1}, []int{r.count("stickers"), r.count("media")})
		_, err = r.Get(as(t, stranger), twin.ID)
		require.NoError(t, err)
		r.private(owner, "a.png") // the name is free again
	})
}

func TestAChangeIsAnEventForWhoMaySeeItAndTheWatcherIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		got, err := r.Add(as(t, owner), sticker.AddInput{Files: files(t, "a.png", "A.png"), Visibility: sticker.Private})
		require.NoError(t, err)
		id := got.Results[0].Sticker.ID
		require.Equal(t, []string{"u:user_owner StickerChanged " + id + " v1 CREATED"}, r.events(got.Cursor))
		w, err := r.Update(as(t, owner), sticker.UpdateInput{ID: id, Name: ptr("b.png")})
		require.NoError(t, err)
		require.Equal(t, []string{"u:user_owner StickerChanged " + id + " v2 UPDATED"}, r.events(w.Cursor))
		w, err = r.Delete(as(t, owner), id)
		require.NoError(t, err)
		require.Equal(t, []string{"u:user_owner StickerChanged " + id + " v3 DELETED"}, r.events(w.Cursor))
		before := w.Cursor
		before.Position++
		open := r.public("c.png").ID
		require.Equal(t, []string{
			"r:USER StickerChanged " + open + " v1 CREATED", "r:SERVICE StickerChanged " + open + " v1 CREATED", "r:ANALYST StickerChanged " + open + " v1 CREATED",
		}, r.events(before))
		require.Equal(t, []string{id + " gone false", id + " gone false", id + " gone true", open + " gone false"}, r.told)
	})
}

func TestAnAccountLeavesItsPublicStickersToTheInstallation(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		names := make([]string, 45)
		for i := range names {
			names[i] = strings.Repeat("x", i+1)
		}
		for _, suffix := range []string{".png", ".gif", ".jpg"} { // more than one step
			some := make([]string, len(names))
			for i, n := range names {
				some[i] = n + suffix
			}
			r.added(admin(t), sticker.AddInput{Files: files(t, some...), Visibility: sticker.Private})
		}
		open, other := r.public("open.png"), r.private(owner, "mine.png")
		account := r.Domain().Account
		system := auth.System(t.Context(), "test")
		var exported []string
		require.NoError(t, account.Export(system, "user_admin", func(kind string, _ any) error { exported = append(exported, kind); return nil }))
		require.Len(t, exported, 136)
		for range 2 {
			require.NoError(t, account.Delete(system, "user_admin"))
		}
		require.Equal(t, []int{2, 2}, []int{r.count("stickers"), r.count("media")})
		left, err := r.Get(as(t, stranger), open.ID)
		require.NoError(t, err)
		require.True(t, left.System())
		require.Equal(t, []any{"open.png", int64(2)}, []any{left.Name, left.Version})
		_, err = r.Get(as(t, owner), other.ID)
		require.NoError(t, err)
	})
}
