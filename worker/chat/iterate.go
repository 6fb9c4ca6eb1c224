package chat

import (
	"fmt"
	"unicode/utf8"
)

// iterate is Python's iter(): the values of what can be gone through.
func iterate(r *run, v value) (iterator, error) {
	switch v := v.(type) {
	case *list:
		return counted(r, len(v.items), func(i int) value { return v.items[i] }), nil
	case tuple:
		return counted(r, len(v), func(i int) value { return v[i] }), nil
	case *dict:
		return counted(r, len(v.keys), func(i int) value { return v.keys[i] }), nil
	case *view:
		return counted(r, len(v.of.keys), v.at), nil
	case *span:
		return counted(r, v.length(), func(i int) value { return v.start + int64(i)*v.step }), nil
	case string:
		return characters(r, v), nil
	case markup:
		return characters(r, string(v)), nil
	case *undefined:
		return counted(r, 0, nil), nil
	case *generator:
		return v.next, nil
	case *loop:
		return func() (value, bool, error) {
			ok, err := v.advance()
			return tuple{v.current, v}, ok, err
		}, nil
	}
	return nil, fmt.Errorf("'%s' object is not iterable", typeName(v))
}

func counted(r *run, size int, item func(i int) value) iterator {
	i := 0
	return func() (value, bool, error) {
		if i >= size {
			return nil, false, nil
		}
		i++
		return item(i - 1), true, r.step()
	}
}

// characters gives the characters of text, each as text of its own.
func characters(r *run, text string) iterator {
	return func() (value, bool, error) {
		if text == "" {
			return nil, false, nil
		}
		_, size := utf8.DecodeRuneInString(text)
		c := text[:size]
		text = text[size:]
		return c, true, r.step()
	}
}

// collect is Python's list().
func collect(r *run, v value) ([]value, error) {
	switch v := v.(type) {
	case *list:
		return v.items, r.stepBy(len(v.items))
	case tuple:
		return v, r.stepBy(len(v))
	}
	next, err := iterate(r, v)
	if err != nil {
		return nil, err
	}
	items := []value{}
	for {
		item, ok, err := next()
		if err != nil || !ok {
			return items, err
		}
		if err := r.chargeItems(1); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
}

// lazily makes a generator that begins when it is first asked. Generators over
// generators count as levels.
func lazily(r *run, start func() (iterator, error)) *generator {
	var next iterator
	return &generator{func() (value, bool, error) {
		if err := r.enter(); err != nil {
			return nil, false, err
		}
		defer func() { r.depth-- }()
		if next == nil {
			var err error
			if next, err = start(); err != nil {
				return nil, false, err
			}
		}
		return next()
	}}
}

// reversed goes through values from their end.
func reversed(r *run, items []value) iterator {
	return counted(r, len(items), func(i int) value { return items[len(items)-1-i] })
}
