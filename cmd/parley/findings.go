package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"parley/worker/pipeline"
)

// printFindings writes what verify found and gives errReported when a bundle
// is not as it should be. The last line is a summary.
func printFindings(w io.Writer, findings []*pipeline.Findings, asJSON bool) error {
	good, cases, equal := 0, 0, 0
	for _, f := range findings {
		if f.OK {
			good++
		}
		for _, t := range f.Tallies() {
			cases += t.Total
			equal += t.Equal
		}
	}
	var err error
	if asJSON {
		err = printJSON(w, findings)
	} else if err = printTable(w, findings); err == nil {
		_, err = fmt.Fprintf(w, "%d of %d bundles are as they should be; %d of %d reference cases are equal\n", good, len(findings), equal, cases)
	}
	if err == nil && good < len(findings) {
		return errReported
	}
	return err
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

func printTable(w io.Writer, findings []*pipeline.Findings) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BUNDLE\tKIND\tDIGESTS\tLOADS\tCASES\tBATCH\tTOKENS\tCHATS\tPICTURES\tRESULT")
	for _, f := range findings {
		row := []string{f.Name, f.Kind, f.Digests(), loads(f)}
		for _, t := range f.Tallies() {
			row = append(row, tally(f, t))
		}
		fmt.Fprintln(table, strings.Join(append(row, result(f)), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range findings {
		for _, line := range append(f.Problems, f.Differences...) {
			if _, err := fmt.Fprintf(w, "%s: %s\n", f.Name, line); err != nil {
				return err
			}
		}
	}
	return nil
}

func loads(f *pipeline.Findings) string {
	switch {
	case f.Loaded:
		return strconv.FormatInt(f.LoadMillis, 10) + " ms"
	case !f.Runnable:
		return cantRun
	}
	return "no"
}

func tally(f *pipeline.Findings, t pipeline.Tally) string {
	if !f.Runnable || !f.Reference || t.Total == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", t.Equal, t.Total)
}

func result(f *pipeline.Findings) string {
	if f.OK {
		return "ok"
	}
	return "DIFFERS"
}
