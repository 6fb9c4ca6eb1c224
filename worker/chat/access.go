package chat

import (
	"fmt"
	"unicode/utf8"
)

// attribute is `v.name`: a method or attribute of Python's, else the item of
// that key.
func (r *run) attribute(v value, name string) (value, error) {
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	found, ok, err := ownAttribute(v, name)
	if err != nil || ok {
		return found, err
	}
	if d, ok := v.(*dict); ok {
		if item, ok := d.named(name); ok {
			return item, nil
		}
	}
	return missing(v, name), nil
}

// item is `v[key]`: the item, else for text the attribute of that name.
func (r *run) item(v, key value) (value, error) {
	switch of := v.(type) {
	case *undefined:
		return nil, of.err()
	case *dict:
		// What can't be a key is just not there.
		if item, ok, err := of.get(r, key); err == nil && ok {
			return item, nil
		}
	default:
		if i, ok := toInt(key); ok {
			if item, ok := indexed(v, i); ok {
				return item, nil
			}
		}
	}
	if name, ok := textOf(key); ok {
		found, ok, err := ownAttribute(v, name)
		if err != nil || ok {
			return found, err
		}
		return missing(v, name), nil
	}
	text, err := r.repr(key)
	return &undefined{hint: fmt.Sprintf("%s has no element %s", objectName(v), text)}, err
}

func objectName(v value) string {
	if v == nil {
		return "None"
	}
	if _, ok := v.(*namespace); ok {
		return "transformers.utils.chat_template_utils.TemplateNamespace object"
	}
	return typeName(v) + " object"
}

func missing(v value, name string) *undefined {
	return &undefined{hint: fmt.Sprintf("%s has no attribute %s", quote(objectName(v)), quote(name))}
}

// indexed gives the i-th item of a sequence; a negative i counts from the end.
func indexed(v value, i int64) (value, bool) {
	size, ok := sized(v)
	if !ok {
		return nil, false
	}
	if i < 0 {
		i += int64(size)
	}
	if i < 0 || i >= int64(size) {
		return nil, false
	}
	switch v := v.(type) {
	case *list:
		return v.items[i], true
	case tuple:
		return v[i], true
	case *span:
		return v.start + i*v.step, true
	case string:
		return characterAt(v, int(i)), true
	case markup:
		return markup(characterAt(string(v), int(i))), true
	}
	return nil, false
}

func characterAt(text string, i int) string {
	for ; i > 0; i-- {
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	_, size := utf8.DecodeRuneInString(text)
	return text[:size]
}

// slice is `v[start:stop:step]`; a bound that is not given is nil.
func (r *run) slice(v value, bounds [3]value) (value, error) {
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	size, ok := sized(v)
	if !ok {
		return nil, fmt.Errorf("'%s' object is not subscriptable", typeName(v))
	}
	taken, err := sliceRange(bounds, size)
	if err != nil {
		return nil, err
	}
	start, step, count := int(taken.start), int(taken.step), taken.length()
	switch v := v.(type) {
	case *list:
		items, err := r.pick(v.items, start, step, count)
		return &list{items}, err
	case tuple:
		items, err := r.pick(v, start, step, count)
		return tuple(items), err
	case string:
		return r.pickText(v, start, step, count)
	case markup:
		text, err := r.pickText(string(v), start, step, count)
		return markup(text), err
	case *span:
		if v.step > 1<<40 || v.step < -1<<40 {
			return nil, fmt.Errorf("a range with a step of %d can't be sliced", v.step)
		}
		return &span{v.start + taken.start*v.step, v.start + taken.stop*v.step, v.step * taken.step}, nil
	}
	return nil, fmt.Errorf("a %s can't be sliced", typeName(v))
}

// sliceRange gives which items of so many a slice takes.
func sliceRange(bounds [3]value, size int) (span, error) {
	var given [3]bool
	var n [3]int64
	for i, b := range bounds {
		if b == nil {
			continue
		}
		if n[i], given[i] = toInt(b); !given[i] {
			return span{}, fmt.Errorf("slice indices must be integers or None")
		}
	}
	if given[2] {
		if n[2] == 0 {
			return span{}, fmt.Errorf("slice step cannot be zero")
		}
	} else {
		n[2] = 1
	}
	// No step needs to be wider than all there is.
	stride := max(min(n[2], int64(size)+1), -int64(size)-1)
	low, high := int64(0), int64(size)
	if stride < 0 {
		low, high = -1, int64(size)-1
	}
	from, to := low, high
	if stride < 0 {
		from, to = high, low
	}
	if given[0] {
		from = clamp(n[0], int64(size), low, high)
	}
	if given[1] {
		to = clamp(n[1], int64(size), low, high)
	}
	return span{from, to, stride}, nil
}

func clamp(i, size, low, high int64) int64 {
	if i < 0 {
		i += size
	}
	return max(low, min(i, high))
}

func (r *run) pick(items []value, start, step, count int) ([]value, error) {
	if err := r.chargeItems(count); err != nil {
		return nil, err
	}
	picked := make([]value, count)
	for i := range picked {
		picked[i] = items[start+i*step]
	}
	return picked, r.stepBy(count)
}

func (r *run) pickText(text string, start, step, count int) (string, error) {
	if err := r.stepBy(len(text) / 64); err != nil {
		return "", err
	}
	if step == 1 && isASCII(text) {
		if count == 0 {
			return "", nil
		}
		return text[start : start+count], nil
	}
	if err := r.charge(4*len(text) + 4*count); err != nil {
		return "", err
	}
	all := []rune(text)
	picked := make([]rune, count)
	for i := range picked {
		picked[i] = all[start+i*step]
	}
	return string(picked), nil
}
