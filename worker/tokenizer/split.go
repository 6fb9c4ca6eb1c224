package tokenizer

import "fmt"

// behavior says what becomes of the matches that a text is split at.
type behavior int

const (
	isolated behavior = iota
	removed
	contiguous
	mergedWithPrevious
	mergedWithNext
)

func parseBehavior(name string) (behavior, error) {
	switch name {
	case "Isolated", "isolated", "":
		return isolated, nil
	case "Removed", "removed":
		return removed, nil
	case "Contiguous", "contiguous":
		return contiguous, nil
	case "MergedWithPrevious", "merged_with_previous":
		return mergedWithPrevious, nil
	case "MergedWithNext", "merged_with_next":
		return mergedWithNext, nil
	}
	return 0, fmt.Errorf("behavior %q is not known", name)
}

// piecePart is a match, or text between matches.
type piecePart struct {
	span
	match bool
}

// cover gives matches and what lies between them. Inverted, what lies between
// counts as the match.
func cover(text string, spans []span, invert bool) []piecePart {
	parts := make([]piecePart, 0, 2*len(spans)+1)
	at := 0
	for _, s := range spans {
		if at < s.start {
			parts = append(parts, piecePart{span{at, s.start}, invert})
		}
		parts = append(parts, piecePart{s, !invert})
		at = s.end
	}
	if at < len(text) {
		parts = append(parts, piecePart{span{at, len(text)}, invert})
	}
	return parts
}

// split gives the stretches that a text falls into.
func (b behavior) split(text string, matches []span, invert bool) []span {
	parts := cover(text, matches, invert)
	switch b {
	case removed:
		kept := parts[:0]
		for _, p := range parts {
			if !p.match {
				kept = append(kept, p)
			}
		}
		parts = kept
	case contiguous:
		parts = join(parts, func(before, p piecePart) bool { return p.match == before.match })
	case mergedWithPrevious:
		parts = join(parts, func(before, p piecePart) bool { return p.match && !before.match })
	case mergedWithNext:
		parts = joinBackward(parts)
	}
	spans := make([]span, len(parts))
	for i, p := range parts {
		spans[i] = p.span
	}
	return spans
}

// join gives neighbours together where the rule holds for a part and the one
// before it.
func join(parts []piecePart, rule func(before, p piecePart) bool) []piecePart {
	out := parts[:0]
	var before piecePart
	for i, p := range parts {
		if i > 0 && rule(before, p) {
			out[len(out)-1].end = p.end
		} else {
			out = append(out, p)
		}
		before = p
	}
	return out
}

// joinBackward gives each match together with the text behind it, of several
// matches in a row only the last.
func joinBackward(parts []piecePart) []piecePart {
	var out []piecePart
	for i := range parts {
		p := parts[i]
		if i+1 < len(parts) && p.match && !parts[i+1].match {
			parts[i+1].start = p.start
			continue
		}
		out = append(out, p)
	}
	return out
}
