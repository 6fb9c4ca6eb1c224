package content

import (
	"encoding/base64"

	"parley/ent/gen"
	"parley/ent/gen/contentpart"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/object"
)

// The topic and the type of the events about content requests.
const (
	TopicContent       = "CONTENT"
	TypeContentChanged = "ContentChanged"
)

// Domain announces content requests.
func (s *Service) Domain() domain.Domain {
	kind := func(name string) job.Kind {
		return job.Kind{Name: name, Result: prefix, Apply: s.apply, Reopen: s.reopen, Route: route(name)}
	}
	write, draw := kind(jobspec.KindWrite), kind(jobspec.KindDraw)
	write.Validate = validateText
	draw.Stage, draw.Validate = s.stage, validateImage
	return domain.Domain{
		Name:   "content",
		Kinds:  []job.Kind{write, draw},
		Topics: []event.Topic{{Name: TopicContent}},
		Types: []event.Type{{
			Name: TypeContentChanged, Topic: TopicContent, Object: prefix,
			Passing: func(action string) bool { return action == string(ActionUpdated) },
			Show: event.ShowWith(func(m event.Message, r *gen.ContentRequest) any {
				return &Changed{Cursor: m.Cursor, At: m.At, RequestID: m.Object, Action: Action(m.State), Request: r}
			}),
		}},
		Objects: []object.Kind{
			object.Owned(object.Many(prefix, "content request", s.ByID), s.get, func(r *gen.ContentRequest) string { return r.OwnerID }),
		},
		Operations: map[string]auth.Access{
			"Query.contentRequest": auth.People, "Query.contentRequests": auth.People, "Query.promptCheck": auth.People,
			"Query.contentCapabilities": auth.People, "Mutation.requestContent": auth.People, "Mutation.stopContent": auth.People,
			"Mutation.cancelContent": auth.People, "Mutation.retryContent": auth.People, "Mutation.regenerate": auth.People,
			"Mutation.reproduce": auth.People, "Mutation.deleteContent": auth.People, "Subscription.contentUpdated": auth.People,
		},
		Account: domain.Account{Delete: s.deleteAccount, Export: s.exportAccount},
	}
}

// Update is one message of the subscription contentUpdated.
type Update struct {
	Cursor  event.Cursor
	Version int64
	Request *gen.ContentRequest
	// PartialText is the whole text so far, nil before its first word and after its end.
	PartialText *string
	// Progress is from 0 to 1.
	Progress float64
	Preview  *Preview
}

// Preview is a small picture of how far a picture is.
type Preview struct{ URL string }

// Making announces the subscription to a request, with what its workers tell meanwhile.
func (s *Service) Making() domain.Making[gen.ContentRequest] {
	return domain.Making[gen.ContentRequest]{
		Type:    TypeContentChanged,
		Load:    s.Get,
		Owner:   func(r *gen.ContentRequest) string { return r.OwnerID },
		Version: func(r *gen.ContentRequest) int64 { return r.Version },
		Done:    func(r *gen.ContentRequest) bool { return r.State != Pending },
		Jobs: func(r *gen.ContentRequest) (ids []string) {
			for _, p := range r.Edges.Parts {
				ids = append(ids, p.JobID)
			}
			return ids
		},
	}
}

// UpdateOf is what a reader is told of a request that is made.
func UpdateOf(m domain.Made[gen.ContentRequest]) *Update {
	u := &Update{Cursor: m.Cursor, Version: m.Version, Request: m.Object}
	share := 0.0
	for _, p := range m.Object.Edges.Parts {
		if p.State != contentpart.StatePENDING {
			share++
			continue
		}
		word := m.Progress[p.JobID]
		share += word.Progress
		if word.Partial != "" {
			u.PartialText = &word.Partial
		}
		if len(word.Preview) > 0 {
			u.Preview = &Preview{"data:image/png;base64," + base64.StdEncoding.EncodeToString(word.Preview)}
		}
	}
	u.Progress = share / float64(max(1, len(m.Object.Edges.Parts)))
	return u
}
