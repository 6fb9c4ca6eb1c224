package dialog_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/dialog"
)

func (r *room) exported(ctx ctxt, format dialog.Format, f dialog.Filter) (int, string) {
	r.t.Helper()
	var out strings.Builder
	n, err := r.Export(ctx, &out, format, f)
	require.NoError(r.t, err)
	return n, out.String()
}

const odd = "a \"quoted\", text;\r\nwith lines\nand =SUM(A1) <b>ü</b> \u2028 🙂"

func TestExportWritesCSV(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.approved(1, odd)
		r.push(2, "not agreed to")
		r.pushFor(9223372036854775807, 9223372036854775807, "plain", "pt-BR")
		d := r.agree(9223372036854775807).Dialog
		m := r.say(1, odd)
		n, text := r.exported(analyst(t), dialog.CSV, dialog.Filter{})
		require.Equal(t, 2, n)
		require.Contains(t, text, strings.ReplaceAll(odd, `"`, `""`), "nothing but quotes is changed")
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		require.NoError(t, err)
		require.Equal(t, []string{"customerId", "dialogId", "language", "createdAt", "text", "messages"}, rows[0])
		require.Equal(t, []string{
			"9223372036854775807", "9223372036854775807", "pt-BR", d.CreatedAt.Format("2006-01-02T15:04:05.999999Z07:00"), "plain", "[]",
		}, rows[1])
		require.Equal(t, strings.ReplaceAll(odd, "\r\n", "\n"), rows[2][4], "the reader joins line ends")
		var said []map[string]string
		require.NoError(t, json.Unmarshal([]byte(rows[2][5]), &said))
		require.Equal(t, []map[string]string{{"text": odd, "createdAt": m.CreatedAt.Format("2006-01-02T15:04:05.999999Z07:00")}}, said)
	})
}

func TestExportWritesJSONLines(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.approved(1, odd)
		r.say(1, "more")
		r.approved(2, "<b>")
		n, text := r.exported(system(t), dialog.JSONL, dialog.Filter{})
		require.Equal(t, 2, n)
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		require.Len(t, lines, 2)
		require.Contains(t, lines[0], `"text":"<b>","messages":[]}`)
		var row map[string]any
		require.NoError(t, json.Unmarshal([]byte(lines[1]), &row))
		require.Equal(t, odd, row["text"])
		require.Equal(t, "1", row["dialogId"])
		require.Len(t, row["messages"], 1)
		require.Equal(t, []string{" EXPORT 2 1"}, r.audited(), "the command line has no id")

		n, text = r.exported(analyst(t), dialog.CSV, dialog.Filter{Language: ptr("xx")})
		require.Zero(t, n)
		require.Equal(t, "customerId,dialogId,language,createdAt,text,messages\r\n", text)
		_, err := r.Export(analyst(t), &strings.Builder{}, "xml", dialog.Filter{})
		refused(t, err, apperr.BadInput, "format")
	})
}

// hooked is a writer that counts lines and calls back.
type hooked struct {
	lines int
	each  func(lines int) error
}

func (h *hooked) Write(p []byte) (int, error) {
	h.lines += bytes.Count(p, []byte("\n"))
	return len(p), h.each(h.lines)
}

func TestExportLooksAtTheConsentOfEachChunk(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		const n = 3*dialog.ExportStep + 10
		r.fill(n)
		withdrawn := false
		h := &hooked{each: func(int) error {
			if !withdrawn {
				withdrawn = true
				for i := range int64(20) {
					r.withdraw(i + 1) // the oldest, which come last
				}
			}
			return nil
		}}
		rows, err := r.Export(analyst(t), h, dialog.JSONL, dialog.Filter{})
		require.NoError(t, err)
		require.Equal(t, n-20, rows)
		require.Equal(t, n-20, h.lines)
		require.Len(t, r.audited(), 3, "one entry a chunk: 500, 500 and 490")
	})
}

func TestExportStopsWithItsReader(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.fill(3 * dialog.ExportStep)
		gone := errors.New("gone")
		_, err := r.Export(analyst(t), &hooked{each: func(int) error { return gone }}, dialog.CSV, dialog.Filter{})
		require.ErrorIs(t, err, gone)
		require.Len(t, r.audited(), 1)
		ctx, cancel := context.WithCancel(analyst(t))
		defer cancel()
		h := &hooked{each: func(int) error { cancel(); return nil }}
		rows, err := r.Export(ctx, h, dialog.JSONL, dialog.Filter{})
		require.ErrorIs(t, err, context.Canceled)
		require.LessOrEqual(t, rows, dialog.ExportStep)
	})
}

func TestExportNeedsTheSameMemoryForAnyNumber(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		peak := func() uint64 {
			var highest atomic.Uint64
			measure := func(int) error {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				highest.Store(max(highest.Load(), m.HeapAlloc))
				return nil
			}
			last := 0
			_, err := r.Export(analyst(t), &hooked{each: func(lines int) error {
				if lines-last < 2000 {
					return nil
				}
				last = lines
				return measure(lines)
			}}, dialog.JSONL, dialog.Filter{})
			require.NoError(t, err)
			return highest.Load()
		}
		r.fill(2500)
		few := peak()
		r.exec("DELETE FROM dialogs")
		r.fill(50_000)
		many := peak()
		t.Logf("peak heap: %d kB of 2,500 dialogs, %d kB of 50,000", few>>10, many>>10)
		// All texts together are 12 MB; other tests run in this process.
		require.Less(t, many, few+8<<20)
	})
}
