package indexing

import (
	"context"
	"fmt"
	"time"

	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
)

// audience is that of the processes that follow; no viewer belongs to it.
const audience = "s:indexing"

// The types of events for processes.
const (
	// TypeVectorsChanged has an object's id as object and its source's name as parent.
	TypeVectorsChanged = "VectorsChanged"
	// TypeVectorsWritten says that a shared database of vectors has what happened up to the
	// event that is its version.
	TypeVectorsWritten = "VectorsWritten"
	// TypeIndexSwitched has a search index's id as object and its state as state.
	TypeIndexSwitched = "IndexSwitched"
)

// TypeSearchIndexChanged is the type of the events for admins.
const TypeSearchIndexChanged = "SearchIndexChanged"

// topic is that of models, which internal/catalog announces; topicVectors is for processes
// alone.
const (
	topic        = "MODELS"
	topicVectors = "VECTORS"
)

// States of TypeVectorsChanged.
const (
	// stateChanged says that the object is another one, or has other labels.
	stateChanged = "CHANGED"
	// stateEmbedded says that it has other vectors.
	stateEmbedded = "EMBEDDED"
	// stateForgotten says that it is gone.
	stateForgotten = "FORGOTTEN"
)

// gone is the state of an index that was deleted, in events.
const gone = "DELETED"

// SearchIndexChanged is the event of a search index as clients are shown it.
type SearchIndexChanged struct {
	Cursor        event.Cursor
	At            time.Time
	SearchIndexID string
}

// Watcher is told by a domain of objects that are new or changed, or gone, inside the
// transaction that changes them.
type Watcher func(ctx context.Context, gone bool, ids ...string) error

// Watcher gives the one that keeps the vectors of a source current.
func (s *Service) Watcher(source string) Watcher {
	return func(ctx context.Context, gone bool, ids ...string) error {
		if gone {
			return s.Forget(ctx, source, ids...)
		}
		return s.Changed(ctx, source, ids...)
	}
}

// ChangedObject gives the id of the object that an event of Audience says has changed or is
// gone, where it is one of the source.
func ChangedObject(e event.Event, source string) (id string, ok bool) {
	return e.Object, e.Type == TypeVectorsChanged && e.Parent == source && e.State != stateEmbedded
}

// Changed says that objects are new or other than before, also where only their labels
// are, inside the transaction that changes them. A source that nobody gave is an error.
func (s *Service) Changed(ctx context.Context, source string, ids ...string) error {
	return s.tell(ctx, source, stateChanged, ids)
}

// Forget takes the vectors of deleted objects away, inside the transaction that deletes
// them. They are in no process's memory any more once it has the event.
func (s *Service) Forget(ctx context.Context, source string, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	if !store.InTx(ctx) {
		return fmt.Errorf("indexing: Forget outside of a transaction")
	}
	if err := s.deleteVectors(ctx, source, ids); err != nil {
		return err
	}
	return s.tell(ctx, source, stateForgotten, ids)
}

func (s *Service) tell(ctx context.Context, source, state string, ids []string) error {
	if _, err := s.source(source); err != nil {
		return err
	}
	return s.log.Append(ctx, vectorsChanged(source, state, ids)...)
}

func vectorsChanged(source, state string, ids []string) []event.Change {
	changes := make([]event.Change, len(ids))
	for i, id := range ids {
		changes[i] = event.Change{Audience: audience, Topic: topicVectors, Type: TypeVectorsChanged, Object: id, Parent: source, State: state}
	}
	return changes
}

// announce tells admins of an index, and where its state is another one the processes.
func (s *Service) announce(ctx context.Context, switched bool, id, state string, version int64) error {
	changes := []event.Change{{
		Audience: event.Role(string(auth.RoleAdmin)), Topic: topic, Type: TypeSearchIndexChanged, Object: id, Version: version, State: state,
	}}
	if switched {
		changes = append(changes, event.Change{Audience: audience, Topic: topicVectors, Type: TypeIndexSwitched, Object: id, Version: version, State: state})
	}
	return s.log.Append(ctx, changes...)
}

// tail reads the events for processes, from a position on. What wakes a reader says
// nothing of what happened, so that none of it can be lost.
type tail struct {
	log      *event.Log
	position int64
}

// tailPage is how many events are read at a time.
const tailPage = 500

// next gives the events behind the position and moves it there. more tells that there may
// be others; lost that some were deleted before they were read, or that the position was
// never in this log: then everything has to be read anew, and the position is that of now.
func (t *tail) next(ctx context.Context) (events []event.Event, more, lost bool, err error) {
	head, err := t.log.Head(ctx)
	if err != nil {
		return nil, false, false, err
	}
	events, err = t.log.Read(ctx, event.Filter{Audiences: []string{audience}, After: t.position, Limit: tailPage})
	if err != nil {
		return nil, false, false, err
	}
	trimmed, err := t.log.Trimmed(ctx)
	if err != nil {
		return nil, false, false, err
	}
	if t.position < trimmed || t.position > head {
		t.position = head
		return nil, false, true, nil
	}
	if more = len(events) == tailPage; more {
		t.position = events[len(events)-1].Position
	} else {
		t.position = max(t.position, head)
		if n := len(events); n > 0 {
			t.position = max(t.position, events[n-1].Position)
		}
	}
	return events, more, false, nil
}
