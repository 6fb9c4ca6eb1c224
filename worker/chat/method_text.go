package chat

import (
	"fmt"
	"slices"
	"strings"
)

// textFunction is a method of str; positional arguments only have the name "".
type textFunction struct {
	signature
	run func(r *run, s string, a []value) (value, error)
	// plain marks the methods of which the result does not become safe when
	// the text is.
	plain bool
}

var (
	nothing = signature{}
	one     = signature{1, []string{""}}
	optOne  = signature{0, []string{""}}
	search  = signature{1, []string{"", "", ""}}
	padding = signature{1, []string{"", ""}}
	cutting = signature{0, []string{"sep", "maxsplit"}}
)

// textMethods are the methods of str that are supported.
var textMethods = map[string]textFunction{
	"upper":        {nothing, func(_ *run, s string, _ []value) (value, error) { return upper(s), nil }, false},
	"lower":        {nothing, func(_ *run, s string, _ []value) (value, error) { return lower(s), nil }, false},
	"casefold":     {nothing, func(_ *run, s string, _ []value) (value, error) { return casefold(s), nil }, false},
	"title":        {nothing, func(_ *run, s string, _ []value) (value, error) { return title(s), nil }, false},
	"capitalize":   {nothing, func(_ *run, s string, _ []value) (value, error) { return capitalize(s), nil }, false},
	"strip":        {optOne, func(_ *run, s string, a []value) (value, error) { return strip(s, a[0], true, true) }, false},
	"lstrip":       {optOne, func(_ *run, s string, a []value) (value, error) { return strip(s, a[0], true, false) }, false},
	"rstrip":       {optOne, func(_ *run, s string, a []value) (value, error) { return strip(s, a[0], false, true) }, false},
	"split":        {cutting, func(r *run, s string, a []value) (value, error) { return split(r, s, a, false) }, true},
	"rsplit":       {cutting, func(r *run, s string, a []value) (value, error) { return split(r, s, a, true) }, true},
	"splitlines":   {signature{0, []string{"keepends"}}, splitLinesMethod, true},
	"partition":    {one, func(_ *run, s string, a []value) (value, error) { return partition(s, a[0], false) }, true},
	"rpartition":   {one, func(_ *run, s string, a []value) (value, error) { return partition(s, a[0], true) }, true},
	"replace":      {signature{2, []string{"", "", ""}}, replaceMethod, true},
	"join":         {one, joinMethod, true},
	"startswith":   {search, func(_ *run, s string, a []value) (value, error) { return affixed(s, a, strings.HasPrefix) }, false},
	"endswith":     {search, func(_ *run, s string, a []value) (value, error) { return affixed(s, a, strings.HasSuffix) }, false},
	"removeprefix": {one, func(_ *run, s string, a []value) (value, error) { return without(s, a[0], strings.TrimPrefix) }, false},
	"removesuffix": {one, func(_ *run, s string, a []value) (value, error) { return without(s, a[0], strings.TrimSuffix) }, false},
	"find":         {search, func(_ *run, s string, a []value) (value, error) { return find(s, a, strings.Index, false) }, false},
	"rfind":        {search, func(_ *run, s string, a []value) (value, error) { return find(s, a, strings.LastIndex, false) }, false},
	"index":        {search, func(_ *run, s string, a []value) (value, error) { return find(s, a, strings.Index, true) }, false},
	"rindex":       {search, func(_ *run, s string, a []value) (value, error) { return find(s, a, strings.LastIndex, true) }, false},
	"count":        {search, countMethod, false},
	"center":       {padding, func(r *run, s string, a []value) (value, error) { return pad(r, s, a, padBoth) }, true},
	"ljust":        {padding, func(r *run, s string, a []value) (value, error) { return pad(r, s, a, padRight) }, true},
	"rjust":        {padding, func(r *run, s string, a []value) (value, error) { return pad(r, s, a, padLeft) }, true},
	"zfill":        {one, zeroFill, false},
	"isalpha":      {nothing, func(_ *run, s string, _ []value) (value, error) { return all(s, isAlpha), nil }, false},
	"isdecimal":    {nothing, func(_ *run, s string, _ []value) (value, error) { return all(s, isDecimal), nil }, false},
	"isspace":      {nothing, func(_ *run, s string, _ []value) (value, error) { return all(s, isSpace), nil }, false},
	"isdigit":      {nothing, func(_ *run, s string, _ []value) (value, error) { return digits(s, isDecimal) }, false},
	"isalnum":      {nothing, func(_ *run, s string, _ []value) (value, error) { return digits(s, isAlphaOrDecimal) }, false},
	"isupper":      {nothing, func(_ *run, s string, _ []value) (value, error) { return isCase(s, true), nil }, false},
	"islower":      {nothing, func(_ *run, s string, _ []value) (value, error) { return isCase(s, false), nil }, false},
	"isascii":      {nothing, func(_ *run, s string, _ []value) (value, error) { return isASCII(s), nil }, false},
}

// refusedTextMethods are those that Python has besides.
var refusedTextMethods = []string{"encode", "expandtabs", "format_map", "isidentifier", "isprintable", "isnumeric", "istitle", "maketrans", "swapcase", "translate"}

func textMethod(v value, name string) (value, bool, error) {
	text, _ := textOf(v)
	if name == "format" && !safeText(v) {
		return &function{name: name, call: func(r *run, a arguments) (value, error) { return r.format(text, a) }}, true, nil
	}
	m, ok := textMethods[name]
	if !ok || safeText(v) && m.plain {
		if ok || name == "format" || slices.Contains(refusedTextMethods, name) {
			return nil, false, fmt.Errorf("%s.%s is not supported", typeName(v), name)
		}
		return nil, false, nil
	}
	return methodOf(name, m.signature, func(r *run, a []value) (value, error) {
		if err := r.charge(len(text)); err != nil {
			return nil, err
		}
		got, err := m.run(r, text, a)
		if s, ok := got.(string); ok && safeText(v) {
			return markup(s), err
		}
		return got, err
	}), true, nil
}

// textArgument gives an argument that has to be text.
func textArgument(v value) (string, error) {
	text, ok := textOf(v)
	if !ok {
		return "", fmt.Errorf("a str was expected, not %s", typeName(v))
	}
	return text, nil
}

// intArgument gives an argument that has to be an integer, or what is meant by
// leaving it out.
func intArgument(v value, otherwise int64) (int64, error) {
	if !given(v) {
		return otherwise, nil
	}
	n, ok := toInt(v)
	if !ok {
		return 0, fmt.Errorf("'%s' object cannot be interpreted as an integer", typeName(v))
	}
	return n, nil
}

// strip takes characters away from the ends: white space, or those given.
func strip(s string, characters value, left, right bool) (value, error) {
	drop := isSpace
	if given(characters) && characters != nil {
		set, err := textArgument(characters)
		if err != nil {
			return nil, err
		}
		drop = func(r rune) bool { return strings.ContainsRune(set, r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, drop)
	}
	if right {
		s = strings.TrimRightFunc(s, drop)
	}
	return s, nil
}

func without(s string, affix value, trim func(s, affix string) string) (value, error) {
	text, err := textArgument(affix)
	return trim(s, text), err
}

func partition(s string, sep value, last bool) (value, error) {
	mark, err := textArgument(sep)
	if err != nil {
		return nil, err
	}
	if mark == "" {
		return nil, fmt.Errorf("empty separator")
	}
	i := strings.Index(s, mark)
	if last {
		i = strings.LastIndex(s, mark)
	}
	switch {
	case i >= 0:
		return tuple{s[:i], mark, s[i+len(mark):]}, nil
	case last:
		return tuple{"", "", s}, nil
	}
	return tuple{s, "", ""}, nil
}

func replaceMethod(r *run, s string, a []value) (value, error) {
	old, err := textArgument(a[0])
	if err != nil {
		return nil, err
	}
	replacement, err := textArgument(a[1])
	if err != nil {
		return nil, err
	}
	count, err := intArgument(a[2], -1)
	if err != nil {
		return nil, err
	}
	return replace(r, s, old, replacement, count)
}

// replace replaces the first count occurrences, all for a count below 0.
func replace(r *run, s, old, replacement string, count int64) (value, error) {
	found := int64(strings.Count(s, old))
	if count >= 0 {
		found = min(found, count)
	}
	if len(replacement) > 0 && found > int64(maxMemory/len(replacement)) {
		return nil, r.charge(maxMemory + 1)
	}
	if err := r.charge(len(s) + len(replacement)*int(found)); err != nil {
		return nil, err
	}
	return strings.Replace(s, old, replacement, int(found)), nil
}

func joinMethod(r *run, s string, a []value) (value, error) {
	items, err := collect(r, a[0])
	if err != nil {
		return nil, err
	}
	for i, item := range items {
		if _, ok := textOf(item); !ok {
			return nil, fmt.Errorf("sequence item %d: expected str instance, %s found", i, typeName(item))
		}
	}
	return joined(r, s, items)
}

// joined puts the texts of values together.
func joined(r *run, separator string, items []value) (value, error) {
	var b strings.Builder
	for i, item := range items {
		text, err := r.str(item)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = separator + text
		}
		if err := r.charge(len(text)); err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}
