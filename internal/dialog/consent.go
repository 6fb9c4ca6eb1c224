package dialog

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/consentchange"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
)

// Versions of the event ConsentChanged: a dialog is pushed, then perhaps
// approved, then perhaps erased.
const (
	versionApproved = 2
	versionErased   = 3
)

// Consent is what a customer's consent is now.
type Consent struct {
	// State is APPROVED, or how the dialog was erased.
	State consentchange.State
	// Dialog is nil when it was erased, and for a key that may not read it.
	Dialog *Dialog
	// Cursor is the place in the event log before the call.
	Cursor event.Cursor
}

// actor is who changed a consent; the zero value is the time that was up.
type actor struct {
	id  string
	key *string
}

func actorOf(v auth.Viewer) actor {
	a := actor{id: v.ID}
	if v.Key != "" {
		a.key = &v.Key
	}
	return a
}

// SetConsent notes whether the customer agrees. false erases the dialog with
// everything that was said in it. Saying again what holds already changes
// nothing; true for an erased dialog is a CONFLICT.
func (s *Service) SetConsent(ctx context.Context, in ConsentInput) (*Consent, error) {
	viewer, err := auth.RequireScope(ctx, auth.ScopeDialogsConsent)
	if err != nil {
		return nil, err
	}
	n, err := parseNumber(in.DialogID, below(nil, "dialogId"))
	if err != nil {
		return nil, err
	}
	var c *Consent
	cursor, err := s.log.Tx(ctx, func(ctx context.Context) error {
		d, err := s.lock(ctx, n)
		if err != nil {
			return err
		}
		switch {
		case d == nil:
			c, err = s.setErased(ctx, n, viewer.ID, in.Approved)
		case d.OwnerID != viewer.ID:
			err = noDialog(n)
		case in.Approved:
			c, err = s.approve(ctx, d, actorOf(viewer))
		default:
			c = &Consent{State: consentchange.StateWITHDRAWN}
			err = s.erase(ctx, []*Dialog{d}, c.State, actorOf(viewer))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c.Cursor = cursor
	if viewer.Key != "" && !viewer.Scopes.Has(auth.ScopeDialogsPush) {
		c.Dialog = nil
	}
	return c, nil
}

// lock gives the dialog with a number, or nil, and keeps others from changing it
// until the end of the transaction.
func (s *Service) lock(ctx context.Context, number int64) (d *Dialog, err error) {
	return d, s.query(ctx, "lock a dialog", func(rows *sql.Rows) error {
		d, err = s.scan(rows)
		return err
	}, "SELECT "+columns+" FROM dialogs WHERE dialog_id = ?"+s.store.ForUpdate(), number)
}

func (s *Service) approve(ctx context.Context, d *Dialog, by actor) (*Consent, error) {
	if !d.Approved {
		now := store.Now()
		if err := s.exec(ctx, "approve a dialog", "UPDATE dialogs SET approved = ?, approved_at = ? WHERE id = ?", true, now, d.ID); err != nil {
			return nil, err
		}
		d.Approved, d.ExpiresAt = true, nil
		if err := s.record(ctx, []*Dialog{d}, consentchange.StateAPPROVED, by, now); err != nil {
			return nil, err
		}
	}
	return &Consent{State: consentchange.StateAPPROVED, Dialog: d}, nil
}

// setErased answers for a number without a dialog.
func (s *Service) setErased(ctx context.Context, number int64, owner string, approved bool) (*Consent, error) {
	mine := false
	err := s.query(ctx, "look for a tombstone", func(rows *sql.Rows) error { return rows.Scan(&mine) },
		"SELECT owner_id = ? FROM dialog_tombstones WHERE id = ?", owner, number)
	switch {
	case err != nil:
		return nil, err
	case !mine:
		return nil, noDialog(number)
	case approved:
		return nil, apperr.New(apperr.Conflict, "The dialog with the number %d was erased: nobody can agree to it any more.", number)
	}
	c := &Consent{State: consentchange.StateWITHDRAWN}
	return c, s.query(ctx, "read how a dialog was erased", func(rows *sql.Rows) error { return rows.Scan((*string)(&c.State)) },
		"SELECT state FROM consent_changes WHERE dialog_id = ? AND state <> 'APPROVED' ORDER BY created_at DESC, id DESC LIMIT 1", number)
}

// record writes what happened to the consent of dialogs into their history and
// tells those who may see them, or could.
func (s *Service) record(ctx context.Context, dialogs []*Dialog, state consentchange.State, by actor, now time.Time) error {
	version := int64(versionErased)
	if state == consentchange.StateAPPROVED {
		version = versionApproved
	}
	history := make([][]any, len(dialogs))
	events := make([]event.Change, 0, 2*len(dialogs))
	for i, d := range dialogs {
		history[i] = []any{store.NewID("cc"), now, d.DialogID, d.OwnerID, string(state), by.id, by.key}
		e := event.Change{
			Audience: event.User(d.OwnerID), Topic: TopicDialogs, Type: TypeConsentChanged,
			Object: d.ID, Parent: strconv.FormatInt(d.DialogID, 10), Version: version, State: string(state),
		}
		events = append(events, e)
		if d.Approved {
			e.Audience = event.Role(string(auth.RoleAnalyst))
			events = append(events, e)
		}
	}
	if _, err := s.store.InsertRows(ctx,
		"INSERT INTO consent_changes (id, created_at, dialog_id, owner_id, state, actor_id, key_id) VALUES ", "(?, ?, ?, ?, ?, ?, ?)", "",
		len(history), func(i int, args []any) []any { return append(args, history[i]...) }); err != nil {
		return err
	}
	return s.log.Append(ctx, events...)
}

// History gives what happened to the consent of a dialog, the oldest first, for
// the service that pushed it and for ADMIN; it stays when the dialog is erased.
func (s *Service) History(ctx context.Context, dialogID string) ([]*gen.ConsentChange, error) {
	viewer, err := auth.RequireAny(ctx)
	if err != nil {
		return nil, err
	}
	if !viewer.Admin() {
		if _, err := auth.RequireScope(ctx, anyScope...); err != nil {
			return nil, err
		}
	}
	n, err := parseNumber(dialogID, []string{"dialogId"})
	if err != nil {
		return nil, err
	}
	return s.store.Client(ctx).ConsentChange.Query().Where(consentchange.DialogID(n)).
		Order(gen.Asc(consentchange.FieldCreatedAt, consentchange.FieldID)).All(ctx)
}
