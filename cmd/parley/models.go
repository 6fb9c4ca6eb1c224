package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"parley/worker/bundle"
	"parley/worker/model"
	"parley/worker/pipeline"
)

// cantRun stands for a kind of bundle that no family of models runs.
const cantRun = "can't run yet"

func modelsCommand() *cobra.Command {
	models := &cobra.Command{Use: "models", Short: "Model bundles"}
	models.AddCommand(modelsListCommand(), modelsVerifyCommand())
	return models
}

func modelsListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the bundles of the models folder", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			dirs, err := bundle.List(cfg.Models)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "BUNDLE\tKIND\tWORK\tFOLDER")
			for _, dir := range dirs {
				b, err := bundle.Open(dir)
				if err != nil {
					fmt.Fprintf(table, "?\t%v\t-\t%s\n", err, dir)
					continue
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", b.Name, b.Kind, cmp.Or(model.Work(b.Kind), cantRun), dir)
			}
			return table.Flush()
		},
	}
}

func modelsVerifyCommand() *cobra.Command {
	var asJSON bool
	verify := &cobra.Command{
		Use: "verify DIR…", Short: "Check bundles: files and digests, that they load, and every case of reference.json", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			findings := make([]*pipeline.Findings, 0, len(dirs))
			for _, dir := range dirs {
				f, err := model.Verify(cmd.Context(), dir, pipeline.Options{Library: cfg.ONNXLibrary, Threads: cfg.WorkerThreads})
				if err != nil {
					return fmt.Errorf("verify %s: %w", dir, err)
				}
				findings = append(findings, f)
			}
			return printFindings(cmd.OutOrStdout(), findings, asJSON)
		},
	}
	verify.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return verify
}
