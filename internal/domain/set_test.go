package domain_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/object"
)

type toy struct{ id, owner string }

func get(_ context.Context, id string) (*toy, error) { return &toy{id: id}, nil }

// whole announces one of everything.
func whole() domain.Domain {
	return domain.Domain{
		Name: "toys",
		Kinds: []job.Kind{{
			Name: "paint", Result: "toy",
			Apply:  func(context.Context, []*job.Ended) ([]event.Change, error) { return nil, nil },
			Reopen: func(context.Context, *gen.Job) (json.RawMessage, error) { return nil, nil },
			Route:  func(json.RawMessage, []jobspec.Bundle) string { return "" },
		}},
		Topics:  []event.Topic{{Name: "TOYS", Scopes: []auth.Scope{auth.ScopeDialogsPush}}},
		Types:   []event.Type{{Name: "ToyChanged", Topic: "TOYS", Object: "toy", Show: func(event.Message) any { return nil }}},
		Objects: []object.Kind{object.Owned(object.One("toy", get), get, func(t *toy) string { return t.owner })},
	}
}

func TestWhatNothingCouldCarryIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	_, err := domain.NewSet(whole())
	require.NoError(t, err)
	for want, change := range map[string]func(*domain.Domain){
		"nothing loads the results of the kind of job paint": func(d *domain.Domain) { d.Kinds[0].Result = "" },
		`no object has the prefix "car"`:                     func(d *domain.Domain) { d.Kinds[0].Result = "car" },
		"lacks Apply, Reopen or Route":                       func(d *domain.Domain) { d.Kinds[0].Route = nil },
		"the kind of job \"paint\" is announced twice":       func(d *domain.Domain) { d.Kinds = append(d.Kinds, d.Kinds[0]) },
		"has no name":                         func(d *domain.Domain) { d.Types[0].Name = "" },
		"nothing shows the type of event":     func(d *domain.Domain) { d.Types[0].Show = nil },
		"nothing loads what events of":        func(d *domain.Domain) { d.Types[0].Object = "" },
		`no object with the prefix "car" has`: func(d *domain.Domain) { d.Types[0].Object = "car" },
		`no object with the prefix "toy" has`: func(d *domain.Domain) { d.Objects[0] = object.One("toy", get) },
		`the topic "CARS"`:                    func(d *domain.Domain) { d.Types[0].Topic = "CARS" },
		"is internal and shown":               func(d *domain.Domain) { d.Types[0].Internal = true },
		"nothing loads objects with":          func(d *domain.Domain) { d.Objects = append(d.Objects, object.Kind{Prefix: "car"}) },
		`the prefix "toy" is announced twice`: func(d *domain.Domain) { d.Objects = append(d.Objects, d.Objects[0]) },
	} {
		d := whole()
		change(&d)
		_, err := domain.NewSet(d)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "domain toys")
	}
}

func TestTwoDomainsMayNotAnnounceTheSame(t *testing.T) {
	t.Parallel()
	other := whole()
	other.Name = "others"
	_, err := domain.NewSet(whole(), other)
	require.ErrorContains(t, err, "domain others")
}

func TestAKeyHearsTheTopicsOfItsScopes(t *testing.T) {
	t.Parallel()
	d := whole()
	d.Topics = append(d.Topics, event.Topic{Name: "PEOPLE"})
	s, err := domain.NewSet(d)
	require.NoError(t, err)
	heard, scoped := s.Topics(auth.ScopesOf(auth.ScopeDialogsPush))
	require.Equal(t, []string{"TOYS"}, heard)
	require.Equal(t, []auth.Scope{auth.ScopeDialogsPush}, scoped)
	heard, _ = s.Topics(auth.ScopesOf(auth.ScopePracticeRead))
	require.Empty(t, heard, "a topic without scopes is for people")
}

func TestEveryCacheIsToldOfItsTypesAloneAndOneFailureKeepsNoneFromIt(t *testing.T) {
	t.Parallel()
	d := whole()
	told := map[string]int{}
	deaf := errors.New("deaf")
	for _, name := range []string{"A", "B"} {
		d.Types = append(d.Types, event.Type{Name: name, Topic: "TOYS", Object: event.Nothing, Show: d.Types[0].Show,
			Invalidate: func(_ context.Context, events []event.Event) error {
				told[name] += len(events)
				return deaf
			}})
	}
	s, err := domain.NewSet(d)
	require.NoError(t, err)
	require.ErrorIs(t, s.Invalidate(t.Context(), []event.Event{{Type: "A"}, {Type: "ToyChanged"}, {Type: "B"}, {Type: "A"}, {Type: "newer"}}), deaf)
	require.Equal(t, map[string]int{"A": 2, "B": 1}, told)
}

func TestOneDomainsFailureKeepsTheOthersFromNothing(t *testing.T) {
	t.Parallel()
	expired := 0
	d := func(name string, err error) domain.Domain {
		return domain.Domain{Name: name, Waiting: func() int { return 2 }, Expire: func(context.Context) error { expired++; return err }}
	}
	s, err := domain.NewSet(d("a", errors.New("full")), d("b", nil), domain.Domain{Name: "c"})
	require.NoError(t, err)
	require.ErrorContains(t, s.Expire(t.Context()), "domain a: full")
	require.Equal(t, 2, expired)
	require.Equal(t, 4, s.Waiting())
}
