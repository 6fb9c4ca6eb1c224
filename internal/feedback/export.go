package feedback

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"parley/internal/apperr"
)

// Format is how an export is written.
type Format string

// The formats. Times are RFC 3339 in UTC.
const (
	// CSV is by RFC 4180, with a header. A text that a spreadsheet would take for a
	// formula has an apostrophe before it.
	CSV Format = "csv"
	// JSONL has one JSON object a line (https://jsonlines.org).
	JSONL Format = "jsonl"
)

const exportTime = "2006-01-02T15:04:05.999999Z07:00"

// exported is a Feedback as a line of JSON.
type exported struct {
	Query     string `json:"query"`
	Usage     int64  `json:"usage"`
	StickerID string `json:"stickerId"`
	Sticker   string `json:"sticker"`
	Positives int64  `json:"positives"`
	Negatives int64  `json:"negatives"`
	UpdatedAt string `json:"updatedAt"`
}

// Export writes the votes on public stickers that changed within since and until, which
// may be nil, in no particular order, and tells how many rows. Whatever their number it
// holds at most 500. Each row is as it was when it was read. For ANALYST, ADMIN and the
// command line.
//
// Before the first byte an error is as of any call; after it the output is cut off at
// the end of a row.
func (s *Service) Export(ctx context.Context, w io.Writer, format Format, since, until *time.Time) (rows int, err error) {
	if err := asAnalyst(ctx); err != nil {
		return 0, err
	}
	if format != CSV && format != JSONL {
		return 0, apperr.Argument("format", "Feedback is written as %s or %s, not %.20q.", CSV, JSONL, string(format))
	}
	out := bufio.NewWriter(w)
	for after := ""; ; {
		found, err := s.exportStep(ctx, after, since, until)
		if err != nil {
			return rows, err
		}
		if rows == 0 && format == CSV {
			_, _ = out.WriteString("query,usage,stickerId,sticker,positives,negatives,updatedAt\r\n") // its error is the flush's
		}
		for _, r := range found {
			if err := format.write(out, r); err != nil {
				return rows, errors.Join(fmt.Errorf("write an export: %w", err), out.Flush())
			}
			rows, after = rows+1, r.ID
		}
		if err := errors.Join(out.Flush(), ctx.Err()); err != nil || len(found) < step {
			return rows, err
		}
	}
}

// exportStep reads some rows in the order of their ids, which does not change as votes do.
func (s *Service) exportStep(ctx context.Context, after string, since, until *time.Time) ([]*Feedback, error) {
	where, args := " WHERE owner_id = '' AND id > ?", []any{after}
	if since != nil {
		where, args = where+" AND updated_at >= ?", append(args, since.UTC())
	}
	if until != nil {
		where, args = where+" AND updated_at < ?", append(args, until.UTC())
	}
	return s.readFeedback(ctx, where+" ORDER BY id LIMIT "+strconv.Itoa(step), " ORDER BY s.id", args)
}

func (f Format) write(out io.Writer, r *Feedback) error {
	at := r.UpdatedAt.UTC().Format(exportTime)
	if f == JSONL {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		return e.Encode(exported{r.Query.Text, r.Query.Usage, r.Sticker.ID, r.Sticker.Name, r.Positives, r.Negatives, at})
	}
	_, err := io.WriteString(out, strings.Join([]string{
		cell(r.Query.Text), strconv.FormatInt(r.Query.Usage, 10), r.Sticker.ID, cell(r.Sticker.Name),
		strconv.FormatInt(r.Positives, 10), strconv.FormatInt(r.Negatives, 10), at,
	}, ",")+"\r\n")
	return err
}

// cell quotes a text, and keeps spreadsheets from computing it:
// https://owasp.org/www-community/attacks/CSV_Injection
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		text = "'" + text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}
