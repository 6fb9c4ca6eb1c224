package chat

import (
	"fmt"
	"slices"
)

// filter is what stands behind `|`.
type filter struct {
	signature
	run func(r *run, v value, a []value) (value, error)
	// loose takes the arguments as they are, in place of run.
	loose func(r *run, v value, a arguments) (value, error)
}

// filters are jinja2's filters that are supported.
var filters map[string]filter

// init breaks the circle in which filters apply filters.
func init() {
	filters = map[string]filter{
		"abs":        {run: absFilter},
		"batch":      {signature: signature{1, []string{"linecount", "fill_with"}}, run: batchFilter},
		"capitalize": {run: textFilter(capitalize)},
		"count":      {run: lengthFilter},
		"d":          {signature: signature{0, []string{"default_value", "boolean"}}, run: defaultFilter},
		"default":    {signature: signature{0, []string{"default_value", "boolean"}}, run: defaultFilter},
		"dictsort":   {signature: signature{0, []string{"case_sensitive", "by", "reverse"}}, run: dictsortFilter},
		"e":          {run: escapeFilter},
		"escape":     {run: escapeFilter},
		"first":      {run: firstFilter},
		"float":      {signature: signature{0, []string{"default"}}, run: floatFilter},
		"format":     {loose: formatFilter},
		"indent":     {signature: signature{0, []string{"width", "first", "blank"}}, run: indentFilter},
		"int":        {signature: signature{0, []string{"default", "base"}}, run: intFilter},
		"items":      {run: itemsFilter},
		"join":       {signature: signature{0, []string{"d", "attribute"}}, run: joinFilter},
		"last":       {run: lastFilter},
		"length":     {run: lengthFilter},
		"list":       {run: listFilter},
		"lower":      {run: textFilter(lower)},
		"map":        {loose: mapFilter},
		"max":        {signature: signature{0, []string{"case_sensitive", "attribute"}}, run: maxFilter},
		"min":        {signature: signature{0, []string{"case_sensitive", "attribute"}}, run: minFilter},
		"reject":     {loose: selectFilter(false, false)},
		"rejectattr": {loose: selectFilter(true, false)},
		"replace":    {signature: signature{2, []string{"old", "new", "count"}}, run: replaceFilter},
		"reverse":    {run: reverseFilter},
		"round":      {signature: signature{0, []string{"precision", "method"}}, run: roundFilter},
		"safe":       {run: safeFilter},
		"select":     {loose: selectFilter(false, true)},
		"selectattr": {loose: selectFilter(true, true)},
		"sort":       {signature: signature{0, []string{"reverse", "case_sensitive", "attribute"}}, run: sortFilter},
		"string":     {run: stringFilter},
		"sum":        {signature: signature{0, []string{"attribute", "start"}}, run: sumFilter},
		"title":      {run: textFilter(titleFilter)},
		"tojson":     {signature: signature{0, []string{"ensure_ascii", "indent", "separators", "sort_keys"}}, run: tojsonFilter},
		"trim":       {signature: signature{0, []string{"chars"}}, run: trimFilter},
		"unique":     {signature: signature{0, []string{"case_sensitive", "attribute"}}, run: uniqueFilter},
		"upper":      {run: textFilter(upper)},
	}
}

// refusedFilters are those that jinja2 has besides.
var refusedFilters = []string{
	"attr", "center", "filesizeformat", "forceescape", "groupby", "pprint", "random", "slice", "striptags",
	"truncate", "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr",
}

func applyFilter(r *run, name string, v value, a arguments) (value, error) {
	f, ok := filters[name]
	switch {
	case !ok && slices.Contains(refusedFilters, name):
		return nil, fmt.Errorf("the filter %q is not supported", name)
	case !ok:
		return nil, fmt.Errorf("no filter named %q", name)
	case f.loose != nil:
		return f.loose(r, v, a)
	}
	bound, err := f.bind("the filter "+name, a)
	if err != nil {
		return nil, err
	}
	return f.run(r, v, bound)
}

// flag gives an argument that is true or false.
func flag(v value) bool { return given(v) && truth(v) }

// optional gives an argument or, where it is not given, None.
func optional(v value) value {
	if given(v) {
		return v
	}
	return nil
}

// getter gives what a filter's argument attribute names: "a.b.0" is an item of
// an item of an item. Without attribute it gives values as they are.
func (r *run) getter(attribute value, ignoreCase bool) (func(value) (value, error), error) {
	path, err := attributePath(attribute)
	if err != nil {
		return nil, err
	}
	return func(v value) (value, error) {
		for _, key := range path {
			var err error
			if v, err = r.item(v, key); err != nil {
				return nil, err
			}
		}
		if text, ok := textOf(v); ok && ignoreCase {
			return lower(text), r.charge(len(text))
		}
		return v, nil
	}, nil
}

func attributePath(attribute value) ([]value, error) {
	switch a := attribute.(type) {
	case nil:
		return nil, nil
	case string:
		return splitPath(a), nil
	case int64:
		return []value{a}, nil
	}
	return nil, fmt.Errorf("an attribute is named by a str or an int, not %s", typeName(attribute))
}

// splitPath cuts a name at its points; parts of digits are numbers.
func splitPath(name string) []value {
	var path []value
	for _, part := range splitAt(name, ".", len(name), false) {
		if n, ok := parseInt(part, 10); ok && all(part, isDecimal) {
			path = append(path, n)
		} else {
			path = append(path, part)
		}
	}
	return path
}

// mapped gives what of makes of the values, one after the other.
func mapped(next iterator, of func(value) (value, error)) iterator {
	return func() (value, bool, error) {
		v, ok, err := next()
		if err != nil || !ok {
			return nil, false, err
		}
		v, err = of(v)
		return v, true, err
	}
}

// mapFilter gives an attribute of each value, or what a filter makes of it.
func mapFilter(r *run, v value, a arguments) (value, error) {
	return lazily(r, func() (iterator, error) {
		if !truth(v) {
			return counted(r, 0, nil), nil
		}
		next, err := iterate(r, v)
		if err != nil {
			return nil, err
		}
		attribute, rest, ok := takeNamed(a.named, "attribute")
		if len(a.positional) == 0 && ok {
			return mapAttribute(r, next, attribute, rest)
		}
		if len(a.positional) == 0 {
			return nil, fmt.Errorf("map requires a filter argument")
		}
		name, err := textArgument(a.positional[0])
		if err != nil {
			return nil, err
		}
		return mapped(next, func(v value) (value, error) {
			return applyFilter(r, name, v, arguments{a.positional[1:], a.named})
		}), nil
	}), nil
}

func mapAttribute(r *run, next iterator, attribute value, rest []namedValue) (iterator, error) {
	fallback, rest, _ := takeNamed(rest, "default")
	if len(rest) > 0 {
		return nil, fmt.Errorf("unexpected keyword argument %s", quote(rest[0].name))
	}
	path, err := attributePath(attribute)
	if err != nil {
		return nil, err
	}
	return mapped(next, func(v value) (value, error) {
		for _, key := range path {
			var err error
			if v, err = r.item(v, key); err != nil {
				return nil, err
			}
			if _, missing := v.(*undefined); missing && fallback != nil {
				v = fallback
			}
		}
		return v, nil
	}), nil
}

// selectFilter makes select, reject, selectattr and rejectattr: the values of
// which a test, or else the truth, is as wanted.
func selectFilter(byAttribute, want bool) func(r *run, v value, a arguments) (value, error) {
	return func(r *run, v value, a arguments) (value, error) {
		return lazily(r, func() (iterator, error) {
			if !truth(v) {
				return counted(r, 0, nil), nil
			}
			next, err := iterate(r, v)
			if err != nil {
				return nil, err
			}
			holds, err := selection(r, a, byAttribute)
			if err != nil {
				return nil, err
			}
			return func() (value, bool, error) {
				for {
					v, ok, err := next()
					if err != nil || !ok {
						return nil, false, err
					}
					if got, err := holds(v); err != nil || got == want {
						return v, true, err
					}
				}
			}, nil
		}), nil
	}
}

// selection is the test that select's arguments name.
func selection(r *run, a arguments, byAttribute bool) (func(value) (bool, error), error) {
	positional := a.positional
	var attribute value
	if byAttribute {
		if len(positional) == 0 {
			return nil, fmt.Errorf("missing parameter for attribute name")
		}
		attribute, positional = positional[0], positional[1:]
	}
	get, err := r.getter(attribute, false)
	if err != nil {
		return nil, err
	}
	return func(v value) (bool, error) {
		v, err := get(v)
		if err != nil || len(positional) == 0 {
			return truth(v), err
		}
		name, err := textArgument(positional[0])
		if err != nil {
			return false, err
		}
		return applyTest(r, name, v, arguments{positional[1:], a.named})
	}, nil
}
