package auth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

// systemWork is every place where parley works on nobody's behalf, past all
// privacy rules. Whoever adds one says in the review why no viewer would do.
const systemWork = `
internal/account/apikey.go account.revokeKey
internal/account/erase.go account.named
internal/account/keyring.go account.verify
internal/account/role.go account.assign
internal/account/role.go account.setRole
internal/account/service.go account.expire
internal/account/service.go account.refresh
internal/account/service.go account.signIn
internal/account/service.go account.signOut
internal/account/service.go account.signUp
internal/app/api.go app.status
internal/app/export.go app.export
internal/app/export.go app.export
internal/app/judgements.go app.judgements
internal/app/judgements.go app.judgements
internal/directory/announce.go directory.announce
internal/directory/announce.go directory.learn
internal/directory/announce.go directory.sweep
internal/directory/directory.go directory.workers
internal/dispatch/dispatch.go dispatch.done
internal/dispatch/dispatch.go dispatch.prepare
internal/domain/account.go domain.deleteAccount
internal/domain/account.go domain.exportAccount
internal/feed/feed.go feed.keep
internal/feed/seed.go feed.fill
internal/indexing/domain.go indexing.get
internal/indexing/domain.go indexing.list
internal/indexing/follower.go indexing.follow
internal/indexing/keeper.go indexing.keep
internal/indexing/switch.go indexing.delete
internal/indexing/switch.go indexing.rebuild
internal/indexing/switch.go indexing.switch
internal/job/attempt.go job.attempts
internal/job/cancel.go job.cancel
internal/job/cancel.go job.cancel
internal/job/enqueue.go job.enqueue
internal/job/queue.go job.forecast
internal/job/record.go job.record
internal/job/rescue.go job.rescue
internal/job/rescue.go job.rescueFrom
internal/job/retry.go job.retry
internal/job/route.go job.waiting
internal/job/run.go job.hasten
internal/job/underway.go job.payload
internal/job/underway.go job.underWay
internal/live/streams.go live.load
internal/media/address.go media.serve
internal/media/address.go media.serve
internal/search/confidence.go search.follow
internal/search/opinions.go search.follow
internal/search/shelf.go search.follow
internal/search/shelf.go search.follow
internal/sticker/domain.go sticker.keep
internal/sticker/set.go sticker.fill
`

func TestEverySystemCallIsListed(t *testing.T) {
	t.Parallel()
	want := strings.Split(strings.TrimSpace(systemWork), "\n")
	got := systemCalls(t)
	for _, call := range got {
		assert.Contains(t, want, call, "new, add it to the list if it must be")
	}
	for _, call := range want {
		assert.Contains(t, got, call, "gone, take it off the list")
	}
	if len(got) != len(want) && !t.Failed() {
		t.Errorf("%d calls, %d are listed", len(got), len(want))
	}
}

// systemCalls gives "file name" for each call of auth.System outside of tests.
func systemCalls(t *testing.T) []string {
	t.Helper()
	var calls []string
	root := testkit.Root()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "gen") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		short, err := filepath.Rel(root, path)
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isSystem(call.Fun) && len(call.Args) == 2 {
				calls = append(calls, filepath.ToSlash(short)+" "+nameOf(call.Args[1]))
			}
			return true
		})
		return err
	})
	require.NoError(t, err)
	slices.Sort(calls)
	return calls
}

func isSystem(fun ast.Expr) bool {
	selector, ok := fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "System" {
		return false
	}
	pkg, ok := selector.X.(*ast.Ident)
	return ok && pkg.Name == "auth"
}

func nameOf(e ast.Expr) string {
	if literal, ok := e.(*ast.BasicLit); ok {
		if name, err := strconv.Unquote(literal.Value); err == nil {
			return name
		}
	}
	return "(computed)"
}
