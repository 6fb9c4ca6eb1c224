package dialog

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
)

// Format is how an export is written.
type Format string

// The formats. Times are RFC 3339 in UTC, numbers decimal digits in quotes, since
// not every reader of JSON has 64 bits for them.
const (
	// CSV is by RFC 4180, with a header; the messages are a JSON array in the last
	// column. It is meant for programs: a text may begin with what a spreadsheet
	// takes for a formula.
	CSV Format = "csv"
	// JSONL has one JSON object a line (https://jsonlines.org).
	JSONL Format = "jsonl"
)

// rowWriter writes one dialog.
type rowWriter func(out io.Writer, d *Dialog, messages []*Message) error

func (f Format) writer() (rowWriter, error) {
	switch f {
	case CSV:
		return writeCSV, nil
	case JSONL:
		return writeJSON, nil
	}
	return nil, unknownFormat(f)
}

// head is what comes before the first dialog.
func (f Format) head() string {
	if f == CSV {
		return "customerId,dialogId,language,createdAt,text,messages\r\n"
	}
	return ""
}

const exportTime = "2006-01-02T15:04:05.999999Z07:00"

// exported is a dialog as a line of JSON.
type exported struct {
	CustomerID string            `json:"customerId"`
	DialogID   string            `json:"dialogId"`
	Language   string            `json:"language"`
	CreatedAt  string            `json:"createdAt"`
	Text       string            `json:"text"`
	Messages   []exportedMessage `json:"messages"`
}

type exportedMessage struct {
	Text      string `json:"text"`
	CreatedAt string `json:"createdAt"`
}

func exportMessages(messages []*Message) []exportedMessage {
	list := make([]exportedMessage, len(messages))
	for i, m := range messages {
		list[i] = exportedMessage{m.Text, timeText(m.CreatedAt)}
	}
	return list
}

func timeText(t time.Time) string { return t.UTC().Format(exportTime) }

func writeJSON(out io.Writer, d *Dialog, messages []*Message) error {
	return plainJSON(out, exported{
		CustomerID: strconv.FormatInt(d.CustomerID, 10), DialogID: strconv.FormatInt(d.DialogID, 10),
		Language: d.Language, CreatedAt: timeText(d.CreatedAt), Text: d.Text, Messages: exportMessages(messages),
	})
}

// plainJSON writes a value and a line feed without escaping for HTML.
func plainJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeCSV quotes texts itself: encoding/csv with line ends by the RFC would
// change those inside a text.
func writeCSV(out io.Writer, d *Dialog, messages []*Message) error {
	said := "[]"
	if len(messages) > 0 {
		var b strings.Builder
		if err := plainJSON(&b, exportMessages(messages)); err != nil {
			return err
		}
		said = strings.TrimSuffix(b.String(), "\n")
	}
	_, err := io.WriteString(out, strings.Join([]string{
		strconv.FormatInt(d.CustomerID, 10), strconv.FormatInt(d.DialogID, 10), d.Language, timeText(d.CreatedAt),
		quoted(d.Text), quoted(said),
	}, ",")+"\r\n")
	return err
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
