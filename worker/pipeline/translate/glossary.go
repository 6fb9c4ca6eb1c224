package translate

import (
	"strings"

	"parley/internal/glossary"
	"parley/internal/jobspec"
	"parley/worker/pipeline"
)

// checkTerms bounds what a job brings along.
func checkTerms(terms []jobspec.Term) error {
	if len(terms) > jobspec.MaxTerms {
		return pipeline.NewError(jobspec.CodeInvalidInput, "The glossary has %d terms; at most %d can be used.", len(terms), jobspec.MaxTerms)
	}
	return nil
}

// hideTerms puts stand-ins for the terms of a glossary that stand in sentences. They
// are carried through every hop as placeholders are, and show their translations.
func (s *source) hideTerms(terms []jobspec.Term) {
	if len(terms) == 0 {
		return
	}
	m := glossary.New(terms)
	for i, segment := range s.segments {
		if !segment.Sentence {
			continue
		}
		var out strings.Builder
		at := 0
		for _, found := range m.Find(segment.Text) {
			out.WriteString(segment.Text[at:found.Start])
			out.WriteString(s.object(s.written(found.Put(segment.Text))))
			at = found.End
		}
		out.WriteString(segment.Text[at:])
		s.segments[i].Text = out.String()
	}
}
