package hub

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Bounds of names, below those of every file system in use.
const (
	maxPath = 240
	maxPart = 120
)

var bundleName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// checkBundleName refuses what could not be a visible folder of its own everywhere.
func checkBundleName(name string) error {
	if !bundleName.MatchString(name) || isDevice(name) || strings.HasSuffix(name, ".") {
		return fmt.Errorf("%w: %q is no name of a bundle; give one in letters, digits, dots, dashes and underscores, that begins with none of the marks but the last", ErrRequest, name)
	}
	return nil
}

// checkPath refuses a path of a listing that leads out of the folder or stands for
// something else on some system. Every entry is checked, wanted or not: who lists such
// names is not to be trusted with the others.
func checkPath(name string) error {
	wrong := ""
	switch {
	case name == "" || len(name) > maxPath:
		wrong = fmt.Sprintf("has %d bytes", len(name))
	case !utf8.ValidString(name):
		wrong = "is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		wrong = "has control characters"
	case strings.ContainsAny(name, `\:`):
		wrong = "has a backslash or a colon"
	case strings.HasPrefix(name, "/") || path.Clean(name) != name || name == "." || name == ".." || strings.HasPrefix(name, "../"):
		wrong = "is no plain path below the folder"
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case wrong != "":
		case len(part) > maxPart:
			wrong = fmt.Sprintf("has a name of %d bytes", len(part))
		case strings.TrimRight(part, ". ") != part:
			wrong = "has a name that ends in a dot or a space"
		case isDevice(part):
			wrong = "is the name of a device on Windows"
		}
	}
	if wrong != "" {
		return fmt.Errorf("%w: the file name %.80q %s; pull from another repository or mirror", ErrUntrusted, name, wrong)
	}
	return nil
}

var device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?$`)

// isDevice tells whether Windows opens a device for a name, whatever its ending.
func isDevice(part string) bool { return device.MatchString(part) }

// isHidden tells whether a part of a path begins with a dot.
func isHidden(name string) bool { return strings.HasPrefix(name, ".") || strings.Contains(name, "/.") }
