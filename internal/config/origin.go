package config

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Origins is the list of web origins whose pages may call the API. An entry is
// an origin such as https://app.example.com, one with any port such as
// http://localhost:*, or * for all. It governs CORS and websockets alike.
type Origins []string

// Allows tells whether a request may come from the page that its Origin names.
// One without Origin comes from no page; one from the same host is its own.
func (o Origins) Allows(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || SameOrigin(r) || o.match(origin)
}

// SameOrigin tells whether the request's Origin is the host that it was sent
// to.
func SameOrigin(r *http.Request) bool {
	u, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

func (o Origins) match(origin string) bool {
	if slices.Contains(o, "*") {
		return true // also a file's or a sandbox's "null"
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	for _, entry := range o {
		if strings.EqualFold(entry, origin) {
			return true
		}
		if anyPort, ok := strings.CutSuffix(entry, ":*"); ok && strings.EqualFold(anyPort, strings.TrimSuffix(origin, ":"+u.Port())) {
			return true
		}
	}
	return false
}

// checkOrigin refuses an entry that no page's Origin could match.
func checkOrigin(entry string) error {
	if entry == "*" {
		return nil
	}
	u, err := url.Parse(strings.TrimSuffix(entry, ":*"))
	if err != nil || u.Host == "" || strings.TrimSuffix(entry, ":*") != u.Scheme+"://"+u.Host {
		return errors.New("is no origin such as https://app.example.com, http://localhost:* or *")
	}
	return nil
}
