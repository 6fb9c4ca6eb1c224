package dialog

import (
	"context"
	"database/sql"
	"slices"

	"parley/internal/apperr"
	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

// columns are what scan reads, and what approved dialogs are known by.
const (
	columns         = approvedColumns + ", owner_id, approved"
	approvedColumns = "id, dialog_id, customer_id, language, text, created_at"
)

func (s *Service) scan(rows *sql.Rows) (*Dialog, error) {
	d := &Dialog{}
	if err := rows.Scan(&d.ID, &d.DialogID, &d.CustomerID, &d.Language, &d.Text, &d.CreatedAt, &d.OwnerID, &d.Approved); err != nil {
		return nil, err
	}
	d.CreatedAt = d.CreatedAt.UTC()
	d.ExpiresAt = s.expiresAt(d.CreatedAt, d.Approved)
	return d, nil
}

// scanApproved reads what analysts are shown: every column less counts where
// thousands of pages are read.
func (s *Service) scanApproved(rows *sql.Rows) (*Dialog, error) {
	d := &Dialog{Approved: true}
	err := rows.Scan(&d.ID, &d.DialogID, &d.CustomerID, &d.Language, &d.Text, &d.CreatedAt)
	d.CreatedAt = d.CreatedAt.UTC()
	return d, err
}

// List gives a page of the approved dialogs, the newest first, 100 when args
// names no size. For ANALYST and ADMIN; what the page holds is written into the
// audit log before it is given back.
func (s *Service) List(ctx context.Context, f Filter, args page.Args) (*page.Page[*Dialog], error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAnalyst, auth.RoleAdmin); err != nil {
		return nil, err
	}
	narrow, err := s.narrow(f)
	if err != nil {
		return nil, err
	}
	if args.First == nil && args.Last == nil {
		usual := page.Most
		args.First = &usual
	}
	p, err := page.Newest(args, "DIALOGS", func(d *Dialog) page.Key { return page.Key{At: d.CreatedAt, ID: d.ID} },
		func(span page.Span) ([]*Dialog, error) { return s.approved(ctx, narrow, span) },
		func() (n int, err error) {
			where, args := narrow.where()
			return n, s.query(ctx, "count dialogs", func(rows *sql.Rows) error { return rows.Scan(&n) },
				"SELECT COUNT(*) FROM dialogs"+where, args...)
		})
	if err != nil {
		return nil, err
	}
	read := make([]int64, len(p.Edges))
	for i, e := range p.Edges {
		read[i] = e.Node.DialogID
	}
	if err := s.audits.Write(ctx, audit.List, read); err != nil {
		return nil, err
	}
	return p, nil
}

// narrowed is a Filter that was checked: the index that holds the dialogs which
// match, by the values of its first columns, and what is left to compare.
type narrowed struct {
	index  page.Index
	values []any
	rest   string
	args   []any
}

func (s *Service) narrow(f Filter) (narrowed, error) {
	n := narrowed{index: page.Index{Time: "created_at", ID: "id"}}
	switch {
	case f.CustomerID != nil:
		customer, err := parseNumber(*f.CustomerID, []string{"customerId"})
		if err != nil {
			return n, err
		}
		n.index.Fixed, n.values = []string{"customer_id"}, []any{customer}
		if f.Language != nil {
			// SQLite takes no index for "+language": a customer has fewer dialogs
			// than a language.
			n.rest, n.args, n.index.Closed = " AND +language = ?", []any{*f.Language}, true
			if s.store.Postgres() {
				n.rest = " AND language = ?"
			}
		}
	case f.Language != nil:
		n.index.Fixed, n.values = []string{"language"}, []any{*f.Language}
	}
	return n, nil
}

// where gives the condition for all that match.
func (n narrowed) where() (string, []any) {
	where := " WHERE approved" + n.rest
	for _, column := range n.index.Fixed {
		where += " AND " + column + " = ?"
	}
	return where, slices.Concat(n.args, n.values)
}

// holds tells whether a dialog that was read from the index is one of the list,
// or of another language or customer that follows.
func (n narrowed) holds(d *Dialog) bool {
	for i, column := range n.index.Fixed {
		switch column {
		case "language":
			if n.values[i] != any(d.Language) {
				return false
			}
		case "customer_id":
			if n.values[i] != any(d.CustomerID) {
				return false
			}
		}
	}
	return true
}

// approved reads a span of the approved dialogs that match.
func (s *Service) approved(ctx context.Context, n narrowed, span page.Span) ([]*Dialog, error) {
	end, args := span.SQL(n.index, n.values, n.args)
	list, err := s.read(ctx, true, " WHERE approved"+n.rest+end, args...)
	if beyond := slices.IndexFunc(list, func(d *Dialog) bool { return !n.holds(d) }); beyond >= 0 {
		list = list[:beyond]
	}
	return list, err
}

// read reads dialogs by the rest of a statement, approved tells whether it finds
// approved ones only.
func (s *Service) read(ctx context.Context, approved bool, rest string, args ...any) (list []*Dialog, err error) {
	names, scan := columns, s.scan
	if approved {
		names, scan = approvedColumns, s.scanApproved
	}
	return list, s.query(ctx, "read dialogs", func(rows *sql.Rows) error {
		d, err := scan(rows)
		list = append(list, d)
		return err
	}, "SELECT "+names+" FROM dialogs"+rest, args...)
}

// reader gives the condition for the dialogs that the viewer of ctx may see one
// by one, and whether it finds approved ones only. nothing tells that they may
// see none.
func reader(ctx context.Context) (condition string, args []any, approved, nothing bool, err error) {
	viewer, err := auth.RequireAny(ctx)
	if err != nil {
		return "", nil, false, true, err
	}
	if viewer.Key == "" && (viewer.Role == auth.RoleAnalyst || viewer.Admin()) {
		return "approved", nil, true, false, nil
	}
	if _, err := auth.RequireScope(ctx, auth.ScopeDialogsPush); err != nil {
		return "", nil, false, true, nil //nolint:nilerr // what they may not see does not exist for them
	}
	return "owner_id = ?", []any{viewer.ID}, false, false, nil
}

// Get gives a dialog by the chatbot's number. NOT_FOUND when the viewer may not
// see it.
func (s *Service) Get(ctx context.Context, dialogID string) (*Dialog, error) {
	condition, args, approved, nothing, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	n, err := parseNumber(dialogID, []string{"dialogId"})
	if err != nil {
		return nil, err
	}
	if nothing {
		return nil, noDialog(n)
	}
	found, err := s.read(ctx, approved, " WHERE "+condition+" AND dialog_id = ?", append(args, n)...)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, noDialog(n)
	}
	if err := s.audits.Write(ctx, audit.Read, numbersOf(found)); err != nil {
		return nil, err
	}
	return found[0], nil
}

// ByID gives those of the dialogs with node ids that the viewer may see, by id.
func (s *Service) ByID(ctx context.Context, ids []string) (map[string]*Dialog, error) {
	condition, args, approved, nothing, err := reader(ctx)
	if err != nil || nothing {
		return nil, err
	}
	in, arg := store.Among(s.store, "id", wellFormed(ids))
	found, err := s.read(ctx, approved, " WHERE "+condition+" AND "+in, append(args, arg)...)
	if err != nil {
		return nil, err
	}
	if err := s.audits.Write(ctx, audit.Read, numbersOf(found)); err != nil {
		return nil, err
	}
	byID := make(map[string]*Dialog, len(found))
	for _, d := range found {
		byID[d.ID] = d
	}
	return byID, nil
}

// wellFormed leaves out what can't be the id of a dialog, and what Postgres would
// refuse to compare with one.
func wellFormed(ids []string) []string {
	list := make([]string, 0, len(ids))
	for _, id := range ids {
		if store.CheckID("dlg", id) == nil {
			list = append(list, id)
		}
	}
	return list
}

// Messages gives what was said in dialogs that the viewer was given, by the
// dialogs' node ids, the oldest first. Dialogs that the viewer may no longer see
// have none. More than MaxSaid bytes at a time are TOO_LARGE.
func (s *Service) Messages(ctx context.Context, dialogs []string) (map[string][]*Message, error) {
	condition, args, _, nothing, err := reader(ctx)
	if err != nil || nothing {
		return nil, err
	}
	dialogs = wellFormed(dialogs)
	sizes, err := s.sizes(ctx, dialogs)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	if total > MaxSaid {
		return nil, apperr.New(apperr.TooLarge, "These dialogs have %d bytes of messages, at most %d are read at a time: ask for fewer dialogs.", total, MaxSaid)
	}
	return s.readMessages(ctx, condition, args, dialogs)
}

// readMessages reads the messages of those dialogs that match the condition.
func (s *Service) readMessages(ctx context.Context, condition string, args []any, dialogs []string) (map[string][]*Message, error) {
	in, arg := store.Among(s.store, "parent_id", dialogs)
	byDialog := make(map[string][]*Message, len(dialogs))
	return byDialog, s.query(ctx, "read messages", func(rows *sql.Rows) error {
		m := &Message{}
		var dialog string
		err := rows.Scan(&dialog, &m.ID, &m.Text, &m.CreatedAt)
		m.CreatedAt = m.CreatedAt.UTC()
		byDialog[dialog] = append(byDialog[dialog], m)
		return err
	}, `SELECT m.parent_id, m.id, m.text, m.created_at FROM dialog_messages AS m JOIN dialogs ON dialogs.id = m.parent_id
		WHERE `+condition+" AND "+in+" ORDER BY m.parent_id, m.created_at, m.id", append(args, arg)...)
}
