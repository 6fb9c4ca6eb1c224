package dialog

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"parley/internal/apperr"
	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

const (
	// exportStep is how many dialogs are read at a time.
	exportStep = 500
	// exportBytes is how much of messages is read at a time, unless a single
	// dialog has more.
	exportBytes = 4 << 20
)

// Export writes the approved dialogs that match, the newest first, and tells how
// many. Whatever their number it holds at most 500 of them. For ANALYST, ADMIN
// and the command line; what is written is in the audit log before. Each 500 are
// read when it is their turn, and so only with the consent that they have then.
//
// Before the first byte an error is as of any call; after it the output is cut
// off at the end of a dialog.
func (s *Service) Export(ctx context.Context, w io.Writer, format Format, f Filter) (rows int, err error) {
	if viewer, _ := auth.From(ctx); !viewer.System() {
		if _, err := auth.RequireRole(ctx, auth.RoleAnalyst, auth.RoleAdmin); err != nil {
			return 0, err
		}
	}
	write, err := format.writer()
	if err != nil {
		return 0, err
	}
	narrow, err := s.narrow(f)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(w)
	for span := (page.Span{Limit: exportStep}); ; {
		found, err := s.approved(ctx, narrow, span)
		if err != nil {
			return rows, err
		}
		if err := s.audits.Write(ctx, audit.Export, numbersOf(found)); err != nil {
			return rows, err
		}
		if rows == 0 {
			_, _ = out.WriteString(format.head()) // its error is the flush's
		}
		n, err := s.exportSome(ctx, out, write, found)
		err = errors.Join(err, out.Flush()) // what was written is whole, whatever happened
		rows += n
		if err != nil || len(found) < exportStep {
			return rows, err
		}
		last := found[len(found)-1]
		span.After = &page.Key{At: last.CreatedAt, ID: last.ID}
	}
}

// exportSome writes dialogs with their messages, a part of them at a time, and
// tells how many are on their way to the reader.
func (s *Service) exportSome(ctx context.Context, out *bufio.Writer, write rowWriter, dialogs []*Dialog) (n int, err error) {
	sizes, err := s.sizes(ctx, idsOf(dialogs))
	if err != nil {
		return 0, err
	}
	for len(dialogs) > 0 {
		part := fitting(dialogs, sizes)
		dialogs = dialogs[len(part):]
		messages, err := s.readMessages(ctx, "approved", nil, idsOf(part))
		if err != nil {
			return n, err
		}
		for _, d := range part {
			if err := write(out, d, messages[d.ID]); err != nil {
				return n, fmt.Errorf("write an export: %w", err)
			}
			n++
		}
		if err := ctx.Err(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// sizes gives the bytes of the messages of dialogs by node id.
func (s *Service) sizes(ctx context.Context, ids []string) (map[string]int, error) {
	in, arg := store.Among(s.store, "parent_id", ids)
	sizes := map[string]int{}
	return sizes, s.query(ctx, "measure messages", func(rows *sql.Rows) error {
		var id string
		var n int
		err := rows.Scan(&id, &n)
		sizes[id] = n
		return err
	}, "SELECT parent_id, SUM(OCTET_LENGTH(text)) FROM dialog_messages WHERE "+in+" GROUP BY parent_id", arg)
}

// fitting gives the first dialogs, at least one, whose messages fit into
// exportBytes.
func fitting(dialogs []*Dialog, sizes map[string]int) []*Dialog {
	total := 0
	for i, d := range dialogs {
		if total += sizes[d.ID]; total > exportBytes && i > 0 {
			return dialogs[:i]
		}
	}
	return dialogs
}

// unknownFormat is the error for anything but the formats.
func unknownFormat(f Format) error {
	return apperr.Argument("format", "Dialogs are written as %s or %s, not %.20q.", CSV, JSONL, string(f))
}
