package chat

import (
	"fmt"
	"strings"
	"time"
)

// Bounds of one rendering. A template that means no harm stays far below them.
const (
	// maxSource is the greatest template, in bytes.
	maxSource = 1 << 20
	// maxOutput is the greatest prompt, in bytes.
	maxOutput = 8 << 20
	// maxSteps counts statements, expressions, and items that are gone through.
	maxSteps = 1_000_000
	// maxMemory is how many bytes of text and list items may be made in all.
	maxMemory = 64 << 20
	// maxDepth is how deep expressions and macros may call one another.
	maxDepth = 400
	// maxValueDepth is how deep lists and dicts may lie in one another.
	maxValueDepth = 200
	// maxDigits is how long an integer may be, about what Python prints.
	maxDigits = 4300
)

// run is one rendering: where its text goes, and what it may still use.
type run struct {
	out    *strings.Builder
	now    time.Time
	steps  int
	memory int
	depth  int
}

// step counts a statement, an expression or an item.
func (r *run) step() error {
	if r.steps++; r.steps > maxSteps {
		return fmt.Errorf("the template takes more than %d steps", maxSteps)
	}
	return nil
}

// stepBy counts n steps at once.
func (r *run) stepBy(n int) error {
	if n < 0 || n > maxSteps {
		n = maxSteps
	}
	r.steps += n
	return r.step()
}

// charge counts bytes before they are made.
func (r *run) charge(bytes int) error {
	if bytes < 0 || bytes > maxMemory-r.memory {
		return fmt.Errorf("the template makes more than %d bytes of text and lists", maxMemory)
	}
	r.memory += bytes
	return nil
}

// chargeItems counts the room of n items of a list.
func (r *run) chargeItems(n int) error {
	if n > maxMemory/16 {
		return r.charge(maxMemory + 1)
	}
	return r.charge(16 * n)
}

func (r *run) write(text string) error {
	if r.out.Len()+len(text) > maxOutput {
		return fmt.Errorf("the template writes more than %d bytes", maxOutput)
	}
	r.out.WriteString(text)
	return nil
}

// eval gives an expression's value.
func (r *run) eval(e expression, s *scope) (value, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	if err := r.enter(); err != nil {
		return nil, err
	}
	v, err := e.eval(r, s)
	r.depth--
	return v, err
}

// enter counts a level of expressions or macros; the caller takes it back.
func (r *run) enter() error {
	if r.depth++; r.depth > maxDepth {
		return fmt.Errorf("the template goes deeper than %d levels", maxDepth)
	}
	return nil
}

// capture gives what nodes write.
func (r *run) capture(s *scope, nodes []node) (string, jump, error) {
	outer := r.out
	r.out = &strings.Builder{}
	defer func() { r.out = outer }()
	j, err := execAll(r, s, nodes)
	if err != nil {
		return "", j, err
	}
	return r.out.String(), j, r.charge(r.out.Len())
}

// scope holds the names that a part of a template set; what it lacks is looked
// for in the one around it.
type scope struct {
	parent *scope
	names  []string
	values []value
}

func (s *scope) inner() *scope { return &scope{parent: s} }

func (s *scope) set(name string, v value) {
	for i, known := range s.names {
		if known == name {
			s.values[i] = v
			return
		}
	}
	s.names, s.values = append(s.names, name), append(s.values, v)
}

func (s *scope) lookup(name string) (value, bool) {
	for at := s; at != nil; at = at.parent {
		for i, known := range at.names {
			if known == name {
				return at.values[i], true
			}
		}
	}
	return nil, false
}
