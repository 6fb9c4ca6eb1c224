package onnx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindLibrary(t *testing.T) {
	t.Setenv(LibraryVariable, "")
	root := t.TempDir()
	inner := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(inner, 0o750); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inner)
	if path, err := FindLibrary(""); path != "" || err != nil {
		t.Errorf("nowhere: %q, %v", path, err)
	}
	packaged := filepath.Join(root, packagePath())
	named := filepath.Join(root, "named.so")
	for _, path := range []string{packaged, named} {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if path, err := FindLibrary(""); !sameFile(path, packaged) || err != nil {
		t.Errorf("node_modules of a parent: %q, %v", path, err)
	}
	if path, err := FindLibrary(named); path != named || err != nil {
		t.Errorf("setting: %q, %v", path, err)
	}
	t.Setenv(LibraryVariable, named)
	if path, err := FindLibrary(""); path != named || err != nil {
		t.Errorf("environment: %q, %v", path, err)
	}
	t.Setenv(LibraryVariable, filepath.Join(root, "none.so"))
	if _, err := FindLibrary(""); err == nil || !strings.Contains(err.Error(), "none.so") {
		t.Errorf("a named file that is missing: %v", err)
	}
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
