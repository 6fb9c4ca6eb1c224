package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parley runs a command and gives what it prints.
func parley(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetIn(strings.NewReader("correct horse\n"))
	err := c.ExecuteContext(t.Context())
	return strings.TrimSpace(out.String()), err
}

func TestUserRoleGivesAnAccountAnotherRole(t *testing.T) {
	data := t.TempDir()
	id, err := parley(t, "user", "create", "--data", data, "--email", "ada@example.org")
	require.NoError(t, err, "%q", id)
	require.True(t, strings.HasPrefix(id, "user_"), "%q", id)
	for _, role := range []string{"admin", "USER"} {
		out, err := parley(t, "user", "role", "--data", data, "Ada@example.org", role)
		assert.NoError(t, err)
		assert.Equal(t, id+" "+strings.ToUpper(role), out)
	}
	for words, args := range map[string][]string{
		"There is no account with this e-mail address": {"bob@example.org", "USER"},
		"The roles are":      {"ada@example.org", "KING"},
		"accepts 2 arg(s)":   {"ada@example.org"},
		"received 3":         {"ada@example.org", "USER", "ADMIN"},
		"unknown flag: --on": {"ada@example.org", "USER", "--on"},
	} {
		_, err := parley(t, append([]string{"user", "role", "--data", data}, args...)...)
		assert.Error(t, err, "%v", args)
		assert.ErrorContains(t, err, words, "%v", args)
	}
}

func TestAnAccountIsSeededExportedAndDeleted(t *testing.T) {
	data := t.TempDir()
	id, err := parley(t, "user", "create", "--data", data, "--email", "ada@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := parley(t, "seed", "--data", data, "--email", "ada@example.org"); err != nil || out != id {
		t.Errorf("%q, %v", out, err)
	}
	out, err := parley(t, "user", "export", "--data", data, "ada@example.org")
	if lines := strings.Split(out, "\n"); err != nil || !strings.HasPrefix(out, `{"type":"User","id":"`+id) || len(lines) != 22 {
		t.Errorf("%d lines, %v: %s", len(lines), err, out)
	}
	if out, err := parley(t, "user", "delete", "--data", data, "Ada@example.org"); err != nil || out != id {
		t.Errorf("%q, %v", out, err)
	}
	for _, args := range [][]string{{"user", "delete", "ada@example.org"}, {"user", "export", "ada@example.org"}, {"seed", "--email", "ada@example.org"}} {
		if _, err := parley(t, append(args, "--data", data)...); err == nil || !strings.Contains(err.Error(), "There is no account with this e-mail address") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
