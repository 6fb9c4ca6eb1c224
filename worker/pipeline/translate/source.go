package translate

import (
	"strings"

	"parley/internal/jobspec"
	"parley/worker/pipeline/document"
)

// source is a text to translate, cut into segments, with what is hidden from the
// models.
type source struct {
	segments []document.Segment
	standIns
}

// read prepares the text of a job in a language.
func read(job jobspec.Translate, language string) *source {
	if job.Format == jobspec.FormatHTML {
		return readHTML(job.Text, language)
	}
	var s source
	s.segments = document.Split(s.hide(job.Text), language)
	return &s
}

// shown is a text that grows, with what its stand-ins stand for.
type shown struct {
	*standIns
	length int
	text   strings.Builder
}

// of gives all of text, which begins with the text of the last call.
func (s *shown) of(text string) string {
	s.text.WriteString(s.show(text[s.length:]))
	s.length = len(text)
	return s.text.String()
}
