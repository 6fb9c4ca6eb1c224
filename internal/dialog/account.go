package dialog

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"parley/ent/gen"
	"parley/ent/gen/consentchange"
	"parley/internal/audit"
	"parley/internal/domain"
	"parley/internal/page"
)

// deleteAccount erases every dialog that the account pushed, as EraseCustomer does.
// Tombstones and the history of consent stay, as of any erased dialog: numbers, ids
// and times.
func (s *Service) deleteAccount(ctx context.Context, account string) error {
	for last := int64(-1); ; {
		list, err := s.numbersPushed(ctx, account, last)
		if err != nil || len(list) == 0 {
			return err
		}
		if _, err := s.eraseNumbers(ctx, list, "", consentchange.StateERASED, actor{id: account}); err != nil {
			return err
		}
		last = list[len(list)-1]
	}
}

// numbersPushed gives the numbers of dialogs that an account pushed, of those behind
// last the lowest.
func (s *Service) numbersPushed(ctx context.Context, account string, last int64) (list []int64, err error) {
	return list, s.query(ctx, "look for the dialogs of an account", func(rows *sql.Rows) error {
		var number int64
		err := rows.Scan(&number)
		list = append(list, number)
		return err
	}, "SELECT dialog_id FROM dialogs WHERE owner_id = ? AND dialog_id > ? ORDER BY dialog_id LIMIT ?", account, last, eraseStep)
}

type exportedDialog struct {
	ID         string  `json:"id"`
	DialogID   string  `json:"dialogId"`
	CustomerID string  `json:"customerId"`
	Language   string  `json:"language"`
	Text       string  `json:"text"`
	CreatedAt  string  `json:"createdAt"`
	Approved   bool    `json:"approved"`
	ExpiresAt  *string `json:"expiresAt"`
}

type exportedSaid struct {
	ID        string `json:"id"`
	DialogID  string `json:"dialogId"`
	Text      string `json:"text"`
	CreatedAt string `json:"createdAt"`
}

type exportedConsent struct {
	ID        string              `json:"id"`
	DialogID  string              `json:"dialogId"`
	State     consentchange.State `json:"state"`
	CreatedAt string              `json:"createdAt"`
	ActorID   string              `json:"actorId,omitempty"`
	KeyID     *string             `json:"keyId,omitempty"`
}

// exportAccount writes the dialogs that the account pushed, each followed by its
// messages, and the history of the consent to these and to those that were erased.
// What is written is in the audit log before.
func (s *Service) exportAccount(ctx context.Context, account string, write domain.Write) error {
	for last := int64(-1); ; {
		found, err := s.read(ctx, false, " WHERE owner_id = ? AND dialog_id > ? ORDER BY dialog_id LIMIT ?", account, last, exportStep)
		if err != nil {
			return err
		}
		if err := s.audits.Write(ctx, audit.Export, numbersOf(found)); err != nil {
			return err
		}
		if err := s.exportPushed(ctx, account, found, write); err != nil {
			return err
		}
		if len(found) < exportStep {
			return s.exportConsent(ctx, account, write)
		}
		last = found[len(found)-1].DialogID
	}
}

// exportPushed writes dialogs of the account with their messages, a part of them at a
// time.
func (s *Service) exportPushed(ctx context.Context, account string, dialogs []*Dialog, write domain.Write) error {
	sizes, err := s.sizes(ctx, idsOf(dialogs))
	if err != nil {
		return err
	}
	for len(dialogs) > 0 {
		part := fitting(dialogs, sizes)
		dialogs = dialogs[len(part):]
		messages, err := s.readMessages(ctx, "dialogs.owner_id = ?", []any{account}, idsOf(part))
		if err != nil {
			return err
		}
		for _, d := range part {
			if err := exportOne(d, messages[d.ID], write); err != nil {
				return err
			}
		}
	}
	return nil
}

func exportOne(d *Dialog, messages []*Message, write domain.Write) error {
	number := strconv.FormatInt(d.DialogID, 10)
	row := exportedDialog{
		ID: d.ID, DialogID: number, CustomerID: strconv.FormatInt(d.CustomerID, 10),
		Language: d.Language, Text: d.Text, CreatedAt: timeText(d.CreatedAt), Approved: d.Approved,
	}
	if d.ExpiresAt != nil {
		at := timeText(*d.ExpiresAt)
		row.ExpiresAt = &at
	}
	if err := write("Dialog", row); err != nil {
		return err
	}
	for _, m := range messages {
		if err := write("DialogMessage", exportedSaid{m.ID, number, m.Text, timeText(m.CreatedAt)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) exportConsent(ctx context.Context, account string, write domain.Write) error {
	err := page.All(exportStep,
		func(after string, limit int) ([]*gen.ConsentChange, error) {
			return s.store.Client(ctx).ConsentChange.Query().Where(consentchange.OwnerID(account), consentchange.IDGT(after)).
				Order(consentchange.ByID()).Limit(limit).All(ctx)
		},
		func(c *gen.ConsentChange) string { return c.ID },
		func(c *gen.ConsentChange) error {
			return write("ConsentChange", exportedConsent{
				c.ID, strconv.FormatInt(c.DialogID, 10), c.State, timeText(c.CreatedAt), c.ActorID, c.KeyID,
			})
		})
	if err != nil {
		return fmt.Errorf("export the history of consent: %w", err)
	}
	return nil
}
