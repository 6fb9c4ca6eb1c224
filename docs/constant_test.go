package docs_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// constants are the numbers that a room's code holds, by the name of the
// constant, or of what is set to them: a variable, a field, a key.
type constants map[string][]int64

// code reads rooms once each. It needs neither a compiler nor what they import:
// numbers are checked with what constants need alone.
type reader struct {
	mu    sync.Mutex
	rooms map[string]*types.Package
	found map[string]constants
}

var rooms = &reader{rooms: map[string]*types.Package{"time": clock()}, found: map[string]constants{}}

// clock is as much of the package time as constants are made of.
func clock() *types.Package {
	p := types.NewPackage("time", "time")
	duration := types.NewNamed(types.NewTypeName(token.NoPos, p, "Duration", nil), types.Typ[types.Int64], nil)
	p.Scope().Insert(duration.Obj())
	for name, d := range map[string]time.Duration{"Nanosecond": 1, "Microsecond": time.Microsecond, "Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour} {
		p.Scope().Insert(types.NewConst(token.NoPos, p, name, duration, constant.MakeInt64(int64(d))))
	}
	p.MarkComplete()
	return p
}

// constants gives those of a room.
func (r *reader) constants(t *testing.T, room string) constants {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found[room] == nil {
		r.load(t, room)
	}
	return r.found[room]
}

// importer gives rooms of ours, the clock, and empty packages for the rest.
type importer func(path string) (*types.Package, error)

func (i importer) Import(path string) (*types.Package, error) { return i(path) }

func (r *reader) load(t *testing.T, room string) *types.Package {
	t.Helper()
	if p := r.rooms[room]; p != nil {
		return p
	}
	set := token.NewFileSet()
	var files []*ast.File
	for name, text := range sources(t, room) {
		if strings.HasSuffix(name, "_test.go") || filepath.Dir(name) != room {
			continue
		}
		file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}}
	config := types.Config{Error: func(error) {}, Importer: importer(func(path string) (*types.Package, error) {
		if p := r.rooms[path]; p != nil {
			return p, nil
		}
		if ours, ok := strings.CutPrefix(path, "parley/internal/"); ok {
			return r.load(t, "internal/"+ours), nil
		}
		p := types.NewPackage(path, filepath.Base(path))
		p.MarkComplete()
		return p, nil
	})}
	p, _ := config.Check("parley/"+room, set, files, info) // errors are of what is not there
	r.rooms[room], r.found[room] = p, numbers(files, info)
	return p
}

// numbers collects what files set to a number.
func numbers(files []*ast.File, info *types.Info) constants {
	all := constants{}
	note := func(name, value ast.Expr) {
		if n, ok := last(value, info); ok {
			all[types.ExprString(name)] = append(all[types.ExprString(name)], n)
		}
	}
	for ident, object := range info.Defs {
		if c, ok := object.(*types.Const); ok {
			if n, exact := constant.Int64Val(constant.ToInt(c.Val())); exact {
				all[ident.Name] = append(all[ident.Name], n)
			}
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if len(n.Lhs) == len(n.Rhs) {
					for i := range n.Lhs {
						note(n.Lhs[i], n.Rhs[i])
					}
				}
			case *ast.KeyValueExpr:
				note(n.Key, n.Value)
			case *ast.CallExpr: // set(&c.Field, value)
				if len(n.Args) == 2 {
					if target, ok := n.Args[0].(*ast.UnaryExpr); ok && target.Op == token.AND {
						note(target.X, n.Args[1])
					}
				}
			}
			return true
		})
	}
	return all
}

// last gives the last constant in an expression: a default stands behind what
// was given, a bound behind what it bounds.
func last(e ast.Expr, info *types.Info) (n int64, ok bool) {
	ast.Inspect(e, func(node ast.Node) bool {
		x, isExpr := node.(ast.Expr)
		if !isExpr {
			return true
		}
		v := info.Types[x].Value
		if v == nil || v.Kind() != constant.Int && v.Kind() != constant.Float {
			return true
		}
		if i, exact := constant.Int64Val(constant.ToInt(v)); exact {
			n, ok = i, true
		}
		return false
	})
	return n, ok
}
