package dialog

import (
	"time"

	"parley/ent/gen/consentchange"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/object"
)

// The topic and the type of the events about dialogs.
const (
	TopicDialogs       = "DIALOGS"
	TypeConsentChanged = "ConsentChanged"
)

// ConsentChanged is the event of a consent's change as clients are shown it. The
// dialog is read by its field's resolver, as the viewer: who may see it and what
// is written into the audit log depend on them.
type ConsentChanged struct {
	Cursor event.Cursor
	At     time.Time
	// ID is the dialog's, DialogID its number.
	ID, DialogID string
	State        consentchange.State
}

// Domain announces dialogs and the consent to them.
func (s *Service) Domain() domain.Domain {
	return domain.Domain{
		Name:   "dialog",
		Topics: []event.Topic{{Name: TopicDialogs, Scopes: []auth.Scope{auth.ScopeDialogsPush, auth.ScopeDialogsConsent}}},
		Types: []event.Type{{
			Name: TypeConsentChanged, Topic: TopicDialogs, Object: event.Nothing,
			Show: func(m event.Message) any {
				return &ConsentChanged{Cursor: m.Cursor, At: m.At, ID: m.Object, DialogID: m.Parent, State: consentchange.State(m.State)}
			},
		}},
		Objects: []object.Kind{object.Many("dlg", "dialog", s.ByID)},
		Operations: map[string]auth.Access{
			"Query.dialogs":             auth.WithRole(auth.RoleAnalyst, auth.RoleAdmin),
			"Query.dialog":              auth.SignedIn, // what others may not see does not exist for them
			"Query.consentHistory":      auth.SignedIn, // machines by their scopes, and ADMIN
			"Mutation.pushDialog":       auth.WithScope(auth.ScopeDialogsPush),
			"Mutation.pushDialogs":      auth.WithScope(auth.ScopeDialogsPush),
			"Mutation.addDialogMessage": auth.WithScope(auth.ScopeDialogsPush),
			"Mutation.setConsent":       auth.WithScope(auth.ScopeDialogsConsent),
			"Mutation.eraseCustomer":    auth.SignedIn, // ADMIN, and machines by their scope
		},
		Waiting: s.Waiting,
		Expire:  s.Expire,
		Account: domain.Account{Delete: s.deleteAccount, Export: s.exportAccount},
	}
}
