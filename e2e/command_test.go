package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
	"parley/internal/testkit"
)

// ok runs parley and expects exit status 0.
func ok(t *testing.T, environment []string, args ...string) (stdout string) {
	t.Helper()
	status, stdout, stderr := process.Finish(t, environment, args...)
	require.Zero(t, status, "parley %s ended with %d:\n%s%s", strings.Join(args, " "), status, stdout, stderr)
	return stdout
}

func TestModelsVerifyTrustsWhatIsEqual(t *testing.T) {
	t.Parallel()
	out := ok(t, process.Env(t), "models", "verify", filepath.Join(process.Models(), "translate-mini"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	assert.Regexp(t, `^BUNDLE +KIND +DIGESTS +LOADS`, lines[0], "the table is\n%s", out)
	assert.Regexp(t, `^translate-mini +marian .* ok$`, lines[1], "the table is\n%s", out)
	assert.Regexp(t, `^1 of 1 bundles are as they should be; (\d+) of (\d+) reference cases are equal$`, lines[len(lines)-1], "the last line")
	var reports []map[string]any
	assert.NoError(t, json.Unmarshal([]byte(ok(t, process.Env(t), "models", "verify", "--json", filepath.Join(process.Models(), "translate-mini"))), &reports),
		"--json")
	assert.Len(t, reports, 1, "--json")
}

func TestModelsVerifyFailsOnAnyDifference(t *testing.T) {
	t.Parallel()
	good := filepath.Join(process.Models(), "translate-mini")
	changed := func(change func(dir string)) string {
		dir := filepath.Join(t.TempDir(), "translate-mini")
		require.NoError(t, os.CopyFS(dir, os.DirFS(good)))
		change(dir)
		return dir
	}
	corrupt := changed(func(dir string) { flip(t, filepath.Join(dir, "onnx", "encoder_model.onnx")) })
	status, out, _ := process.Finish(t, process.Env(t), "models", "verify", good, corrupt)
	assert.True(t, status == 1 && strings.Contains(out, "encoder_model.onnx") && strings.Contains(out, "1 of 2 bundles are as they should be"),
		"a corrupt copy: status %d\n%s", status, out)
	differs := changed(func(dir string) { changeReference(t, filepath.Join(dir, "reference.json")) })
	status, out, _ = process.Finish(t, process.Env(t), "models", "verify", "--json", differs)
	assert.Equal(t, 1, status, "a reference that differs: status %d\n%s", status, out)
	assert.True(t, json.Valid([]byte(out)), "a reference that differs: status %d\n%s", status, out)
	missing := changed(func(dir string) { must(t, os.Remove(filepath.Join(dir, "onnx", "encoder_model.onnx"))) })
	status, out, _ = process.Finish(t, process.Env(t), "models", "verify", missing)
	assert.Equal(t, 1, status, "a missing file: status %d\n%s", status, out)
	assert.Contains(t, out, "encoder_model.onnx", "a missing file: status %d\n%s", status, out)
	bare := changed(func(dir string) { must(t, os.Remove(filepath.Join(dir, "manifest.json"))) })
	assert.Contains(t, ok(t, process.Env(t), "models", "verify", bare), "not recorded", "a bundle without a manifest")
	status, out, _ = process.Finish(t, process.Env(t), "models", "verify", filepath.Join(t.TempDir(), "none"))
	assert.Equal(t, 1, status, "no such folder: status %d\n%s", status, out)
	assert.Contains(t, out, "0 of 1 bundles", "no such folder: status %d\n%s", status, out)
}

func must(t testing.TB, err error) {
	t.Helper()
	require.NoError(t, err)
}

// changeReference changes one output token of the first case.
func changeReference(t testing.TB, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	at := regexp.MustCompile(`"output_ids":\s*\[\s*\d+,\s*`).FindIndex(data)
	require.NotNil(t, at, "%s has no output_ids", file)
	must(t, os.WriteFile(file, []byte(string(data[:at[1]])+"1, "+string(data[at[1]:])), 0o600))
}

func TestModelsListNamesTheBundles(t *testing.T) {
	t.Parallel()
	assert.Regexp(t, `(?m)^translate-mini +marian +`, ok(t, process.Env(t), "models", "list", "--models", process.Models()), "models list")
}

func TestUserCreateMakesAnAdminWhoCanSignIn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	environment := process.Env(t, "PARLEY_PASSWORD="+password)
	create := func(email, role string) (int, string, string) {
		return process.Finish(t, environment, "user", "create", "--data", data, "--email", email, "--role", role)
	}
	status, id, stderr := create("boss@example.org", "ADMIN")
	require.Zero(t, status, "user create ended with %d: %s%s", status, id, stderr)
	require.True(t, strings.HasPrefix(id, "user_"), "user create ended with %d: %s%s", status, id, stderr)
	// While serve runs on the same folder, too.
	p := process.Start(t, process.Env(t), process.ServeArgs(data)...).Ready()
	status, _, stderr = create("analyst@example.org", "analyst")
	assert.Zero(t, status, "user create beside serve ended with %d: %s", status, stderr)
	for email, role := range map[string]string{"boss@example.org": "ADMIN", "analyst@example.org": "ANALYST"} {
		var got struct {
			SignIn struct{ Viewer struct{ Role string } }
		}
		p.Client().Must(t, `mutation($i: SignInInput!) { signIn(input: $i) { viewer { role } } }`,
			gqlclient.Vars{"i": gqlclient.Vars{"email": email, "password": password}}, &got)
		assert.Equal(t, role, got.SignIn.Viewer.Role, "%s signed in as %q, want %s", email, got.SignIn.Viewer.Role, role)
	}
	for _, c := range []struct{ email, role, sentence string }{
		{"boss@example.org", "ADMIN", "There is an account with this e-mail address already."},
		{"other@example.org", "KING", "The roles are"},
		{"nonsense", "USER", "This is not an e-mail address."},
	} {
		refused(t, environment, c.sentence, "user", "create", "--data", data, "--email", c.email, "--role", c.role)
	}
	refused(t, process.Env(t), "give the password in PARLEY_PASSWORD or on the standard input", "user", "create", "--data", data, "--email", "x@example.org")
}

func TestConfigPrintsEverySettingAndMasksSecrets(t *testing.T) {
	t.Parallel()
	out := ok(t, process.Env(t, "PARLEY_SIGNING_KEY="+process.SigningKey, "DATABASE_URL=postgres://me:hidden@db/parley", "NATS_URL=nats://me:hidden@nats:4222,nats://me:hidden@two:4222",
		"REDIS_URL=redis://:hidden@redis:6379/0"), "config", "--listen", "127.0.0.1:9999")
	assert.NotContains(t, out, "hidden", "config shows a secret")
	assert.NotContains(t, out, process.SigningKey, "config shows a secret")
	for _, want := range []string{`--listen +PARLEY_LISTEN +127.0.0.1:9999 `, `DATABASE_URL +postgres://me:xxxxx@db/parley`, `PARLEY_SIGNING_KEY +\(set\)`} {
		assert.Regexp(t, want, out, "config lacks %q:\n%s", want, out)
	}
}

func TestMigrateTwiceDoesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	for _, database := range []string{testkit.Postgres(t), "sqlite:" + filepath.Join(t.TempDir(), "parley.db")} {
		environment := process.Env(t, "DATABASE_URL="+database)
		assert.Contains(t, ok(t, environment, "migrate"), "applied ", "the first migrate of %s", database)
		assert.Contains(t, ok(t, environment, "migrate"), "nothing to do", "the second migrate of %s", database)
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "parley e2e\n", ok(t, process.Env(t), "version"), "version")
	assert.Equal(t, "parley e2e\n", ok(t, process.Env(t), "--version"), "--version")
	out := ok(t, process.Env(t), "--help")
	for _, command := range []string{"serve", "api", "worker", "migrate", "user", "models", "config", "version"} {
		assert.Regexp(t, `(?m)^  `+command+` +\S`, out, "--help does not list %s", command)
	}
	assert.Contains(t, ok(t, process.Env(t), "serve", "--help"), "PARLEY_LISTEN", "serve --help names no variables")
	status, out, errs := process.Finish(t, process.Env(t))
	assert.Zero(t, status, "parley alone ended with %d: %s%s", status, out, errs)
	assert.Contains(t, out, "Usage:", "parley alone ended with %d: %s%s", status, out, errs)
}
