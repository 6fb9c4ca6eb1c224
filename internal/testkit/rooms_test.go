package testkit

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// A room that no rule is about could import anything: the direction of
// dependence would hold for the rooms that somebody remembered.
func TestEveryRoomIsInARuleOfDependence(t *testing.T) {
	t.Parallel()
	rules := dependenceRules(t)
	rooms := 0
	for _, room := range roomsOf(t) {
		rooms++
		file := path.Join(room, "any.go")
		var in []string
		for name, globs := range rules {
			if matchesAny(globs, file) {
				in = append(in, name)
			}
		}
		require.NotEmpty(t, in, "%s is in no rule of depguard in .golangci.yml", room)
	}
	require.Greater(t, rooms, 30)
}

func TestADomainToComeIsHeldToTheRuleOfDomains(t *testing.T) {
	t.Parallel()
	require.True(t, matchesAny(dependenceRules(t)["domains"], "internal/somethingnew/any.go"))
	require.False(t, matchesAny(dependenceRules(t)["domains"], "internal/job/any.go"))
}

// dependenceRules gives the files of each rule that is not about all files.
func dependenceRules(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(Root(), ".golangci.yml"))
	require.NoError(t, err)
	var lint struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct{ Files []string }
				}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &lint))
	rules := map[string][]string{}
	for name, r := range lint.Linters.Settings.Depguard.Rules {
		if len(r.Files) > 0 && r.Files[0] != "**/*.go" {
			rules[name] = r.Files
		}
	}
	return rules
}

// roomsOf lists the folders with hand-written Go code of the program itself.
func roomsOf(t *testing.T) []string {
	t.Helper()
	var rooms []string
	for _, top := range []string{"cmd", "ent/schema", "graph", "internal", "worker"} {
		err := fs.WalkDir(os.DirFS(Root()), top, func(dir string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || !d.IsDir():
				return err
			case dir == "graph/gen" || dir == "graph/model" || dir == "internal/testkit":
				return fs.SkipDir
			}
			files, err := filepath.Glob(filepath.Join(Root(), dir, "*.go"))
			for _, f := range files {
				if !strings.HasSuffix(f, "_test.go") {
					rooms = append(rooms, dir)
					break
				}
			}
			return err
		})
		require.NoError(t, err)
	}
	return rooms
}

// matchesAny tells whether a file is one of a rule's: it matches a glob, and none
// that begins with "!".
func matchesAny(globs []string, file string) bool {
	found := false
	for _, glob := range globs {
		without, not := strings.CutPrefix(glob, "!")
		if strings.HasPrefix(without, "$") {
			continue
		}
		if globPattern(without).MatchString("/" + file) {
			if not {
				return false
			}
			found = true
		}
	}
	return found
}

func globPattern(glob string) *regexp.Regexp {
	r := strings.NewReplacer("**/", ".*/", "**", ".*", "*", "[^/]*", ".", `\.`, "{", "(", "}", ")", ",", "|")
	return regexp.MustCompile("^/?" + r.Replace(glob) + "$")
}
