package sticker

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"parley/internal/apperr"
	"parley/internal/store"
)

// maxKey is how long a folded name may be, in bytes: compatibility forms can be many
// times the name, and Postgres' index takes no entry of 2,704 bytes or more.
const maxKey = 1024

// fold is how names are compared: compatibility forms joined, whatever the case.
func fold(name string) []byte {
	// A Caser has a state and is not shared.
	return []byte(norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name))))
}

// fileName gives the last part of the name that a client sent with a file.
func fileName(sent string) string {
	sent = sent[strings.LastIndexAny(sent, `/\`)+1:]
	return strings.TrimSpace(path.Clean(sent))
}

// clean tells whether a text is UTF-8 and has no control characters.
func clean(text string) bool {
	return store.Storable(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// checkName refuses what can't be a name, at a path.
func checkName(name string, path ...string) error {
	switch {
	case !clean(name):
		return about(apperr.New(apperr.BadInput, "A name is UTF-8 without control characters."), path)
	case name == "" || name == "." || name == "..":
		return about(apperr.New(apperr.BadInput, "A sticker needs a name."), path)
	case len(name) > MaxName || len(fold(name)) > maxKey:
		return about(apperr.New(apperr.BadInput, "A name has at most %d bytes, this one has %d.", MaxName, len(name)), path)
	}
	return nil
}

// checkCaption refuses what can't be a caption, at a path.
func checkCaption(caption string, path ...string) error {
	if !clean(caption) || utf8.RuneCountInString(caption) > MaxCaption {
		return about(apperr.New(apperr.BadInput, "A caption has at most %d characters of UTF-8 and no control characters.", MaxCaption), path)
	}
	return nil
}

// checkTags refuses what can't be tags, at a path.
func checkTags(tags []string, path ...string) error {
	if len(tags) > MaxTags {
		return about(apperr.New(apperr.BadInput, "A sticker has at most %d tags, not %d.", MaxTags, len(tags)), path)
	}
	for _, tag := range tags {
		if strings.TrimSpace(tag) == "" || !clean(tag) || utf8.RuneCountInString(tag) > MaxTag {
			return about(apperr.New(apperr.BadInput, "A tag has 1 to %d characters of UTF-8 and no control characters.", MaxTag), path)
		}
	}
	return nil
}

// distinct gives tags without spaces around them, each once whatever the case.
func distinct(tags []string) []string {
	all, known := make([]string, 0, len(tags)), map[string]bool{}
	for _, tag := range tags {
		tag = strings.TrimSpace(tag)
		if key := string(fold(tag)); !known[key] {
			known[key], all = true, append(all, tag)
		}
	}
	return all
}

// checkLicence refuses what can't be a licence; several lines are fine.
func checkLicence(licence *string) error {
	if licence != nil && (!store.Storable(*licence) || utf8.RuneCountInString(*licence) > MaxLicence) {
		return apperr.Input("licence", "A licence has at most %d characters of UTF-8 without NUL characters.", MaxLicence)
	}
	return nil
}

// about says which argument a refusal is about.
func about(e *apperr.Error, path []string) *apperr.Error {
	e.Path = path
	return e
}

// taken is the refusal of a name that another sticker has.
func taken(name string, path ...string) *apperr.Error {
	return about(apperr.New(apperr.Conflict, "The name %q is taken by another sticker.", name), path)
}
