package domain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/object"
)

// Set is what all domains of a process announce, by the words that carriers
// find it under. It does not change.
type Set struct {
	domains []Domain
	kinds   map[string]job.Kind
	topics  map[string]event.Topic
	types   map[string]event.Type
	objects map[string]object.Kind
	access  map[string]auth.Access
}

// NewSet refuses domains that announce the same twice, or something that a
// carrier could not carry: a kind of job or a type of event without what loads
// what it is about.
func NewSet(domains ...Domain) (*Set, error) {
	s := &Set{
		domains: domains, kinds: map[string]job.Kind{}, topics: map[string]event.Topic{},
		types: map[string]event.Type{}, objects: map[string]object.Kind{}, access: map[string]auth.Access{},
	}
	var errs []error
	for _, d := range domains {
		errs = append(errs, of(d, s.add(d)))
	}
	for _, d := range domains { // what one domain names, another may announce
		errs = append(errs, of(d, s.check(d)))
	}
	return s, errors.Join(errs...)
}

// of names the domain that an error is about.
func of(d Domain, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("domain %s: %w", d.Name, err)
}

func (s *Set) add(d Domain) error {
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	for _, k := range d.Kinds {
		note(enter(s.kinds, "kind of job", k.Name, k))
	}
	for _, t := range d.Topics {
		note(enter(s.topics, "topic", t.Name, t))
	}
	for _, t := range d.Types {
		note(enter(s.types, "type of event", t.Name, t))
	}
	for _, o := range d.Objects {
		note(enter(s.objects, "prefix", o.Prefix, o))
	}
	for name, access := range d.Operations {
		note(enter(s.access, "operation", name, access))
	}
	return errors.Join(errs...)
}

func enter[T any](all map[string]T, what, name string, v T) error {
	if _, taken := all[name]; taken || name == "" {
		return fmt.Errorf("the %s %q is announced twice, or has no name", what, name)
	}
	all[name] = v
	return nil
}

func (s *Set) check(d Domain) error {
	var errs []error
	for _, k := range d.Kinds {
		if k.Apply == nil || k.Reopen == nil || k.Route == nil {
			errs = append(errs, fmt.Errorf("the kind of job %s lacks Apply, Reopen or Route", k.Name))
		}
		if s.objects[k.Result].Load == nil {
			errs = append(errs, fmt.Errorf("nothing loads the results of the kind of job %s: no object has the prefix %q", k.Name, k.Result))
		}
	}
	for _, t := range d.Types {
		errs = append(errs, s.checkType(t))
	}
	for _, o := range d.Objects {
		if o.Load == nil {
			errs = append(errs, fmt.Errorf("nothing loads objects with the prefix %s", o.Prefix))
		}
	}
	errs = append(errs, d.Account.check())
	return errors.Join(errs...)
}

func (s *Set) checkType(t event.Type) error {
	o := s.objects[t.Object]
	switch {
	case t.Internal:
		if t.Show != nil || t.Object != "" {
			return fmt.Errorf("the type of event %s is internal and shown", t.Name)
		}
		return nil
	case s.topics[t.Topic].Name == "":
		return fmt.Errorf("the topic %q of the type of event %s is not announced", t.Topic, t.Name)
	case t.Show == nil:
		return fmt.Errorf("nothing shows the type of event %s", t.Name)
	case t.Object != event.Nothing && (o.Fresh == nil || o.Owner == nil):
		return fmt.Errorf("nothing loads what events of the type %s are about: no object with the prefix %q has Fresh and Owner", t.Name, t.Object)
	}
	return nil
}

// Kinds gives the kinds of job.
func (s *Set) Kinds() []job.Kind {
	var all []job.Kind
	for _, d := range s.domains {
		all = append(all, d.Kinds...)
	}
	return all
}

// Kind gives a kind of job by its name.
func (s *Set) Kind(name string) (job.Kind, bool) {
	k, ok := s.kinds[name]
	return k, ok
}

// Type gives a type of event that clients are shown, by its name.
func (s *Set) Type(name string) (event.Type, bool) {
	t, ok := s.types[name]
	return t, ok && !t.Internal
}

// Types gives the names of all types of event.
func (s *Set) Types() []string {
	var names []string
	for _, d := range s.domains {
		for _, t := range d.Types {
			names = append(names, t.Name)
		}
	}
	return names
}

// Object gives a kind of object by the prefix of its ids.
func (s *Set) Object(prefix string) (object.Kind, bool) {
	o, ok := s.objects[prefix]
	return o, ok
}

// Objects gives the kinds of object.
func (s *Set) Objects() []object.Kind {
	var all []object.Kind
	for _, d := range s.domains {
		all = append(all, d.Objects...)
	}
	return all
}

// Access tells who may use a root field of the schema, such as "Query.notes", nil
// when no domain announces it.
func (s *Set) Access(operation string) auth.Access { return s.access[operation] }

// Operations gives the announced root fields of the schema.
func (s *Set) Operations() []string { return slices.Collect(maps.Keys(s.access)) }

// Topics gives the topics of which a key with scopes hears the events, and all
// the scopes that let one hear any.
func (s *Set) Topics(scopes auth.Scopes) (heard []string, scoped []auth.Scope) {
	for _, d := range s.domains {
		for _, t := range d.Topics {
			scoped = append(scoped, t.Scopes...)
			if scopes.Has(t.Scopes...) {
				heard = append(heard, t.Name)
			}
		}
	}
	return heard, scoped
}

// Invalidate tells every domain's caches of events that are about to be
// published.
func (s *Set) Invalidate(ctx context.Context, events []event.Event) error {
	byType := map[string][]event.Event{}
	for _, e := range events {
		if s.types[e.Type].Invalidate != nil {
			byType[e.Type] = append(byType[e.Type], e)
		}
	}
	var errs []error
	for name, some := range byType {
		errs = append(errs, s.types[name].Invalidate(ctx, some))
	}
	return errors.Join(errs...)
}

// Counters gives what the domains count.
func (s *Set) Counters() []Counter {
	var all []Counter
	for _, d := range s.domains {
		all = append(all, d.Counters...)
	}
	return all
}

// Waiting is how many items wait for the domains' group commits and shared
// reads.
func (s *Set) Waiting() int {
	n := 0
	for _, d := range s.domains {
		if d.Waiting != nil {
			n += d.Waiting()
		}
	}
	return n
}

// Expire deletes what the domains keep for a time only. The failure of one does
// not keep the others from it.
func (s *Set) Expire(ctx context.Context) error {
	var errs []error
	for _, d := range s.domains {
		if d.Expire == nil {
			continue
		}
		errs = append(errs, of(d, d.Expire(ctx)))
	}
	return errors.Join(errs...)
}
