package app

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/testkit/dbtest"
)

const whoAmI = `{"query":"{ viewer { id } }"}`

func TestATokenThatIsNoGoodIsUnauthenticatedWithItsReason(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	for name, c := range map[string]struct {
		token, reason string
	}{
		"none":          {"", "Sign in first"},
		"nonsense":      {"nonsense", "not valid here"},
		"a changed one": {w.Owner.Token[:len(w.Owner.Token)-4] + "AAAA", "not valid here"},
		"unsigned":      {"eyJhbGciOiJub25lIn0.eyJpc3MiOiJwYXJsZXkiLCJzdWIiOiJ1c2VyXzAxTTdZTjNKNDYyUlIxNkpETjk2N00yR004Iiwicm9sZSI6IkFETUlOIiwiZXhwIjo0MDAwMDAwMDAwfQ.", "not valid here"},
		"expired":       {w.expired(t, w.Owner).Token, "has expired"},
	} {
		for _, query := range []string{"{ viewer { id } }", "{ jobs { totalCount } }", `{ node(id: "note_01M7YN3J462RR16JDN967M2GM8") { id } }`} {
			r, err := w.Anonymous.As(c.token).Do(t.Context(), query, nil)
			require.NoError(t, err)
			assert.Equal(t, "UNAUTHENTICATED", r.Code(), "%s, %s: %s", name, query, r.Body)
			assert.Contains(t, r.Errors[0].Message, c.reason, "%s, %s: %s", name, query, r.Body)
		}
	}
}

func TestRefreshAndSignInWorkWithAnExpiredTokenInTheHeader(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	email, refresh := w.account(t)
	stale := w.expired(t, w.Owner)
	stale.Must(t, `mutation($r: String!) { refresh(input: {refreshToken: $r}) { accessToken viewer { email } } }`, gqlclient.Vars{"r": refresh}, nil)
	stale.Must(t, `mutation($e: String!) { signIn(input: {email: $e, password: "correct horse"}) { accessToken } }`, gqlclient.Vars{"e": email}, nil)
}

// signInWithCookie gives the cookie that signIn sets.
func (w *world) signInWithCookie(t *testing.T) *http.Cookie {
	t.Helper()
	email, _ := w.account(t)
	r, err := w.Anonymous.Do(t.Context(), `mutation($e: String!) { signIn(input: {email: $e, password: "correct horse", cookie: true}) { viewer { id } } }`, gqlclient.Vars{"e": email})
	require.NoError(t, err)
	require.NoError(t, r.Err())
	cookies := (&http.Response{Header: r.Header}).Cookies()
	require.Len(t, cookies, 1, "signIn set the cookies %v", cookies)
	return cookies[0]
}

func TestTheCookieCountsForTheServersOwnPagesOnly(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	cookie := w.signInWithCookie(t)
	assert.True(t, cookie.HttpOnly && cookie.SameSite == http.SameSiteStrictMode && cookie.Path == "/" && !cookie.Expires.IsZero(), "the cookie is %s", cookie)
	for name, c := range map[string]struct {
		header []string
		code   string
	}{
		"a program":                    {nil, ""},
		"its own page":                 {[]string{"Origin", w.URL, "Sec-Fetch-Site", "same-origin"}, ""},
		"its own page, old browser":    {[]string{"Origin", w.URL}, ""},
		"typed into the address bar":   {[]string{"Sec-Fetch-Site", "none"}, ""},
		"a foreign page":               {[]string{"Origin", "https://evil.org", "Sec-Fetch-Site", "cross-site"}, "UNAUTHENTICATED"},
		"a foreign page, old browser":  {[]string{"Origin", "https://evil.org"}, "UNAUTHENTICATED"},
		"another port, an allowed one": {[]string{"Origin", "http://localhost:3000", "Sec-Fetch-Site", "same-site"}, "UNAUTHENTICATED"},
		"a page without origin":        {[]string{"Origin", "null"}, "UNAUTHENTICATED"},
		"with a claim of the browser":  {[]string{"Origin", w.URL, "Sec-Fetch-Site", "cross-site"}, "UNAUTHENTICATED"},
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			target := w.URL + "/graphql"
			if method == http.MethodGet {
				target += "?query=" + url.QueryEscape("{ viewer { id } }")
			}
			r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(whoAmI))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			r.AddCookie(cookie)
			for i := 0; i+1 < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			got, err := w.Anonymous.Send(r)
			require.NoError(t, err)
			assert.Equal(t, c.code, got.Code(), "%s by %s: %s", name, method, got.Body)
		}
	}
	for origin, want := range map[string]string{w.URL: "", "http://localhost:3000": "UNAUTHENTICATED"} {
		dial := *w.Anonymous
		dial.Header = http.Header{"Cookie": {cookie.String()}, "Origin": {origin}}
		got, _ := dial.MustDial(t).Subscribe(t, "{ viewer { id } }", nil).Next(t)
		assert.Equal(t, want, got.Code(), "a socket of %s", origin)
	}
}

func TestSignOutRemovesTheCookie(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	cookie := w.signInWithCookie(t)
	c := *w.Anonymous
	c.Header = http.Header{"Cookie": {cookie.String()}}
	r, err := c.Do(t.Context(), "mutation { signOut { clientMutationId } }", nil)
	require.NoError(t, err)
	require.NoError(t, r.Err())
	cookies := (&http.Response{Header: r.Header}).Cookies()
	require.Len(t, cookies, 1, "signOut set %v", cookies)
	assert.Empty(t, cookies[0].Value, "signOut set %v", cookies)
	assert.LessOrEqual(t, cookies[0].Expires.Year(), 1970, "signOut set %v", cookies)
}

// serve is for a developer's machine, api for the open: it allows foreign pages
// only when it is told which.
func TestServeAllowsLocalPagesAndApiOnlyThoseItIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode    Mode
		setting string
		origin  string
		allowed bool
	}{
		{Serve, "", "http://localhost:3000", true},
		{Serve, "", "https://evil.org", false},
		{Serve, "https://app.example.com", "http://localhost:3000", false},
		{API, "", "http://localhost:3000", false},
		{API, "https://app.example.com", "https://app.example.com", true},
	} {
		w := begin(t, dbtest.SQLite(t), Options{}, "origins", c.setting, "mode", string(c.mode))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/graphql", strings.NewReader(`{"query":"{__typename}"}`))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", c.origin)
		got, err := w.Anonymous.Send(r)
		require.NoError(t, err)
		assert.Equal(t, c.allowed, got.Header.Get("Access-Control-Allow-Origin") == c.origin,
			"%s with origins %q: a page of %s is", c.mode, c.setting, c.origin)
		dial := *w.Anonymous
		dial.Header = http.Header{"Origin": {c.origin}}
		s, err := dial.Dial(t.Context())
		assert.Equal(t, c.allowed, err == nil, "%s with origins %q: a socket of %s: %v", c.mode, c.setting, c.origin, err)
		if err == nil {
			s.Close()
		}
	}
}
