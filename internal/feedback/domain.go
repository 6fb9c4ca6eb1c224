package feedback

import (
	"time"

	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
)

// The topic, which internal/sticker announces, and the type of the events that analysts hear.
const (
	TopicStickers             = "STICKERS"
	TypeSearchFeedbackChanged = "SearchFeedbackChanged"
)

// TypeScoresChanged is the event of votes that are nobody's business but their voter's:
// it is for an audience that no client belongs to.
const (
	TypeScoresChanged = "ScoresChanged"
	topicScores       = "SCORES"
	audienceScores    = "s:scores"
)

// Audiences are those, and as well the keys, with which live.Hub.Listen hears of every
// query whose votes changed, for processes that keep scores in memory: events for which
// OfScores is true, with the query's id as their Object.
func Audiences() []string {
	return []string{audienceScores, event.Role(string(auth.RoleAnalyst))}
}

// OfScores tells whether the votes on the query that an event names have changed.
func OfScores(e event.Event) bool {
	return e.Type == TypeScoresChanged || e.Type == TypeSearchFeedbackChanged
}

// Changed is the event of votes on a query's answers as analysts are shown it. The query
// is read by its field's resolver.
type Changed struct {
	Cursor event.Cursor
	At     time.Time
	// QueryID is the query's.
	QueryID string
}

// Domain announces votes, what counts them, and what counts searches.
func (s *Service) Domain() domain.Domain {
	analysts := auth.WithRole(auth.RoleAnalyst, auth.RoleAdmin)
	return domain.Domain{
		Name: "feedback",
		Types: []event.Type{
			{
				Name: TypeSearchFeedbackChanged, Topic: TopicStickers, Object: event.Nothing,
				Show: func(m event.Message) any { return &Changed{Cursor: m.Cursor, At: m.At, QueryID: m.Object} },
			},
			{Name: TypeScoresChanged, Topic: topicScores, Internal: true},
		},
		Operations: map[string]auth.Access{
			"Query.searchFeedback":    analysts,
			"Query.searchQueries":     analysts,
			"Query.searchTimeline":    analysts,
			"Mutation.reportFeedback": s.may,
			"Mutation.revokeFeedback": s.may,
			"Mutation.stickerChosen":  s.may,
		},
		Counters: []domain.Counter{{
			Name: "parley_searches_uncounted_total", Help: "Counts of searches, votes and choices that were dropped since too many waited.", Value: s.Dropped,
		}},
		Waiting: s.Waiting,
		Expire:  s.expire,
		Account: domain.Account{Delete: s.deleteAccount, Export: s.exportAccount},
	}
}
