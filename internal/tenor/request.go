package tenor

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"parley/internal/apperr"
	"parley/internal/langtag"
	"parley/internal/sticker"
)

// How many results there are at a time.
const (
	usualLimit = 20
	mostLimit  = 50
)

// request has the parameters of a request. Those that it has no method for are left alone.
type request struct {
	url.Values
	// base is the address of this host as the client knows it, without a slash at its end.
	base string
}

func parse(r *http.Request) (*request, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		// Its words would repeat what was sent, and with that perhaps the key.
		return nil, apperr.New(apperr.BadInput, "The parameters are not encoded as those of an address are.")
	}
	if r.Host == "" {
		return nil, apperr.New(apperr.BadInput, "Send the header Host: addresses of pictures begin with it.")
	}
	scheme := "http"
	// The first proxy is what the client speaks to. Whoever lies about this gets addresses
	// that don't work.
	outside, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	if r.TLS != nil || strings.EqualFold(strings.TrimSpace(outside), "https") {
		scheme = "https"
	}
	return &request{values, scheme + "://" + r.Host}, nil
}

// limit gives how many results are wanted.
func (q *request) limit() (int, error) {
	text := q.Get("limit")
	if text == "" {
		return usualLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostLimit {
		return 0, apperr.Argument("limit", "There are 1 to %d results at a time.", mostLimit)
	}
	return n, nil
}

// optional gives a parameter, nil for one that is empty.
func (q *request) optional(name string) *string {
	if text := q.Get(name); text != "" {
		return &text
	}
	return nil
}

// language gives that of a locale such as en_US, nil without one.
func (q *request) language() (*string, error) {
	locale := q.Get("locale")
	if locale == "" {
		return nil, nil
	}
	base, _, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	tag, err := langtag.Canonical(base)
	if err != nil {
		return nil, apperr.Argument("locale", "A locale is a language and perhaps a country, for example en_US.")
	}
	return &tag, nil
}

// shape is a range of widths divided by heights; the zero value is every one.
type shape struct{ least, most float64 }

// shapes are the ranges of Tenor.
var shapes = map[string]shape{"": {}, "all": {}, "wide": {0.42, 2.36}, "standard": {0.56, 1.78}}

func (q *request) shape() (shape, error) {
	s, ok := shapes[q.Get("ar_range")]
	if !ok {
		return s, apperr.Argument("ar_range", "The ranges are all, wide and standard.")
	}
	return s, nil
}

// has tells whether a sticker is in the range.
func (s shape) has(one *sticker.Sticker) bool {
	if s == (shape{}) {
		return true
	}
	ratio := float64(one.Width()) / float64(max(one.Height(), 1))
	return s.least <= ratio && ratio <= s.most
}

// formats gives the names of the formats that are wanted, nil for all.
func (q *request) formats() map[string]bool {
	filter := q.Get("media_filter")
	if filter == "" {
		return nil
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(filter, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	return wanted
}
