// Package langtag reads language tags of BCP 47.
package langtag

import (
	"golang.org/x/text/language"

	"parley/internal/apperr"
)

// longest is the room that RFC 5646, section 4.4.1, asks for.
const longest = 35

// Canonical gives the canonical form of a tag, "pt-BR" for "PT-br" and "en" for
// "eng", or BAD_INPUT.
func Canonical(s string) (string, error) {
	tag, err := language.Parse(s)
	if err == nil && s != "" && len(s) <= longest {
		if tag, err = language.All.Canonicalize(tag); err == nil {
			return tag.String(), nil
		}
	}
	return "", apperr.New(apperr.BadInput, "%.40q is no language: it must be a tag of BCP 47 such as en or pt-BR.", s)
}
