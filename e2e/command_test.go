package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
	"parley/internal/testkit"
)

// ok runs parley and expects exit status 0.
func ok(t *testing.T, environment []string, args ...string) (stdout string) {
	t.Helper()
	status, stdout, stderr := process.Finish(t, environment, args...)
	if status != 0 {
		t.Fatalf("parley %s ended with %d:\n%s%s", strings.Join(args, " "), status, stdout, stderr)
	}
	return stdout
}

func TestModelsVerifyTrustsWhatIsEqual(t *testing.T) {
	t.Parallel()
	out := ok(t, process.Env(t), "models", "verify", filepath.Join(process.Models(), "translate-mini"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if !regexp.MustCompile(`^BUNDLE +KIND +DIGESTS +LOADS`).MatchString(lines[0]) || !regexp.MustCompile(`^translate-mini +marian .* ok$`).MatchString(lines[1]) {
		t.Errorf("the table is\n%s", out)
	}
	if last := lines[len(lines)-1]; !regexp.MustCompile(`^1 of 1 bundles are as they should be; (\d+) of (\d+) reference cases are equal$`).MatchString(last) {
		t.Errorf("the last line is %q", last)
	}
	var reports []map[string]any
	if err := json.Unmarshal([]byte(ok(t, process.Env(t), "models", "verify", "--json", filepath.Join(process.Models(), "translate-mini"))), &reports); err != nil || len(reports) != 1 {
		t.Errorf("--json gave %v, %v", reports, err)
	}
}

func TestModelsVerifyFailsOnAnyDifference(t *testing.T) {
	t.Parallel()
	good := filepath.Join(process.Models(), "translate-mini")
	changed := func(change func(dir string)) string {
		dir := filepath.Join(t.TempDir(), "translate-mini")
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		change(dir)
		return dir
	}
	corrupt := changed(func(dir string) { flip(t, filepath.Join(dir, "onnx", "encoder_model.onnx")) })
	status, out, _ := process.Finish(t, process.Env(t), "models", "verify", good, corrupt)
	if status != 1 || !strings.Contains(out, "encoder_model.onnx") || !strings.Contains(out, "1 of 2 bundles are as they should be") {
		t.Errorf("a corrupt copy: status %d\n%s", status, out)
	}
	differs := changed(func(dir string) { changeReference(t, filepath.Join(dir, "reference.json")) })
	status, out, _ = process.Finish(t, process.Env(t), "models", "verify", "--json", differs)
	if status != 1 || !json.Valid([]byte(out)) {
		t.Errorf("a reference that differs: status %d\n%s", status, out)
	}
	missing := changed(func(dir string) { must(t, os.Remove(filepath.Join(dir, "onnx", "encoder_model.onnx"))) })
	if status, out, _ := process.Finish(t, process.Env(t), "models", "verify", missing); status != 1 || !strings.Contains(out, "encoder_model.onnx") {
		t.Errorf("a missing file: status %d\n%s", status, out)
	}
	bare := changed(func(dir string) { must(t, os.Remove(filepath.Join(dir, "manifest.json"))) })
	if out := ok(t, process.Env(t), "models", "verify", bare); !strings.Contains(out, "not recorded") {
		t.Errorf("a bundle without a manifest:\n%s", out)
	}
	if status, out, _ := process.Finish(t, process.Env(t), "models", "verify", filepath.Join(t.TempDir(), "none")); status != 1 || !strings.Contains(out, "0 of 1 bundles") {
		t.Errorf("no such folder: status %d\n%s", status, out)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// changeReference changes one output token of the first case.
func changeReference(t testing.TB, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	at := regexp.MustCompile(`"output_ids":\s*\[\s*\d+,\s*`).FindIndex(data)
	if at == nil {
		t.Fatalf("%s has no output_ids", file)
	}
	must(t, os.WriteFile(file, []byte(string(data[:at[1]])+"1, "+string(data[at[1]:])), 0o600))
}

func TestModelsListNamesTheBundles(t *testing.T) {
	t.Parallel()
	if out := ok(t, process.Env(t), "models", "list", "--models", process.Models()); !regexp.MustCompile(`(?m)^translate-mini +marian +`).MatchString(out) {
		t.Errorf("models list gave\n%s", out)
	}
}

func TestUserCreateMakesAnAdminWhoCanSignIn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	environment := process.Env(t, "PARLEY_PASSWORD="+password)
	create := func(email, role string) (int, string, string) {
		return process.Finish(t, environment, "user", "create", "--data", data, "--email", email, "--role", role)
	}
	status, id, stderr := create("boss@example.org", "ADMIN")
	if status != 0 || !strings.HasPrefix(id, "user_") {
		t.Fatalf("user create ended with %d: %s%s", status, id, stderr)
	}
	// While serve runs on the same folder, too.
	p := process.Start(t, process.Env(t), process.ServeArgs(data)...).Ready()
	if status, _, stderr := create("analyst@example.org", "analyst"); status != 0 {
		t.Errorf("user create beside serve ended with %d: %s", status, stderr)
	}
	for email, role := range map[string]string{"boss@example.org": "ADMIN", "analyst@example.org": "ANALYST"} {
		var got struct {
			SignIn struct{ Viewer struct{ Role string } }
		}
		p.Client().Must(t, `mutation($i: SignInInput!) { signIn(input: $i) { viewer { role } } }`,
			gqlclient.Vars{"i": gqlclient.Vars{"email": email, "password": password}}, &got)
		if got.SignIn.Viewer.Role != role {
			t.Errorf("%s signed in as %q, want %s", email, got.SignIn.Viewer.Role, role)
		}
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
	if strings.Contains(out, "hidden") || strings.Contains(out, process.SigningKey) {
		t.Errorf("config shows a secret:\n%s", out)
	}
	for _, want := range []string{`--listen +PARLEY_LISTEN +127.0.0.1:9999 `, `DATABASE_URL +postgres://me:xxxxx@db/parley`, `PARLEY_SIGNING_KEY +\(set\)`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("config lacks %q:\n%s", want, out)
		}
	}
}

func TestMigrateTwiceDoesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	for _, database := range []string{testkit.Postgres(t), "sqlite:" + filepath.Join(t.TempDir(), "parley.db")} {
		environment := process.Env(t, "DATABASE_URL="+database)
		if out := ok(t, environment, "migrate"); !strings.Contains(out, "applied ") {
			t.Errorf("the first migrate of %s said %q", database, out)
		}
		if out := ok(t, environment, "migrate"); !strings.Contains(out, "nothing to do") {
			t.Errorf("the second migrate of %s said %q", database, out)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	if out := ok(t, process.Env(t), "version"); out != "parley e2e\n" {
		t.Errorf("version printed %q", out)
	}
	if out := ok(t, process.Env(t), "--version"); out != "parley e2e\n" {
		t.Errorf("--version printed %q", out)
	}
	out := ok(t, process.Env(t), "--help")
	for _, command := range []string{"serve", "api", "worker", "migrate", "user", "models", "config", "version"} {
		if !regexp.MustCompile(`(?m)^  ` + command + ` +\S`).MatchString(out) {
			t.Errorf("--help does not list %s:\n%s", command, out)
		}
	}
	if out := ok(t, process.Env(t), "serve", "--help"); !strings.Contains(out, "PARLEY_LISTEN") {
		t.Errorf("serve --help names no variables:\n%s", out)
	}
	if status, out, errs := process.Finish(t, process.Env(t)); status != 0 || !strings.Contains(out, "Usage:") {
		t.Errorf("parley alone ended with %d: %s%s", status, out, errs)
	}
}
