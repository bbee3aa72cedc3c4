//! Names of settings that a php-fpm is given, which takes each without a word, be there one of that
//! name or not.

use super::Finding;
use config::{Plan, nearest, plan::Pool};

/// The settings of PHP and of the extensions that come with it, by what stands before the first
/// dot: those of 8.0 to 8.5. That of others is not known, nor is `php-fpm -i` a way to find out:
/// some extensions keep theirs from it, as mysqlnd does.
const OWN: &[(&str, &str)] = &[
    (
        "",
        "SMTP allow_url_fopen allow_url_include auto_append_file auto_detect_line_endings \
         auto_globals_jit auto_prepend_file browscap default_charset default_mimetype \
         default_socket_timeout disable_classes disable_functions display_errors \
         display_startup_errors doc_root docref_ext docref_root enable_dl \
         enable_post_data_reading engine error_append_string error_log error_log_mode \
         error_prepend_string error_reporting expose_php extension extension_dir \
         fatal_error_backtraces file_uploads from hard_timeout html_errors ignore_repeated_errors \
         ignore_repeated_source ignore_user_abort implicit_flush include_path input_encoding \
         internal_encoding last_modified log_errors max_execution_time max_file_uploads \
         max_input_nesting_level max_input_time max_input_vars max_memory_limit \
         max_multipart_body_parts memory_hard_limit_percent memory_limit open_basedir \
         output_buffering output_encoding output_handler post_max_size precision \
         realpath_cache_size realpath_cache_ttl register_argc_argv report_memleaks \
         report_zend_debug request_order sendmail_from sendmail_path serialize_precision \
         short_open_tag smtp_port sys_temp_dir unserialize_callback_func unserialize_max_depth \
         upload_max_filesize upload_tmp_dir user_agent user_dir variables_order xbithack \
         xmlrpc_error_number xmlrpc_errors",
    ),
    ("arg_separator", "input output"),
    ("assert", "active bail callback exception warning"),
    ("bcmath", "scale"),
    (
        "cgi",
        "check_shebang_line discard_path fix_pathinfo force_redirect nph redirect_status_env \
         rfc2616_headers",
    ),
    ("cli_server", "color"),
    (
        "com",
        "allow_dcom autoregister_casesensitive autoregister_typelib autoregister_verbose \
         code_page dotnet_version typelib_file",
    ),
    ("curl", "cainfo"),
    ("date", "default_latitude default_longitude sunrise_zenith sunset_zenith timezone"),
    ("dba", "default_handler"),
    (
        "exif",
        "decode_jis_intel decode_jis_motorola decode_unicode_intel decode_unicode_motorola \
         encode_jis encode_unicode",
    ),
    ("fastcgi", "error_header impersonate logging"),
    ("ffi", "enable preload"),
    ("fiber", "stack_size"),
    ("filter", "default default_flags"),
    ("fpm", "config"),
    ("gd", "jpeg_ignore_warning"),
    ("highlight", "comment default html keyword string"),
    ("iconv", "input_encoding internal_encoding output_encoding"),
    ("imap", "enable_insecure_rsh"),
    ("intl", "default_locale error_level use_exceptions"),
    ("ldap", "max_links"),
    ("mail", "add_x_header cr_lf_mode force_extra_parameters log mixed_lf_and_crlf"),
    (
        "mbstring",
        "detect_order encoding_translation http_input http_output http_output_conv_mimetypes \
         internal_encoding language regex_retry_limit regex_stack_limit strict_detection \
         substitute_character",
    ),
    (
        "mysqli",
        "allow_local_infile allow_persistent default_host default_port default_pw default_socket \
         default_user local_infile_directory max_links max_persistent reconnect \
         rollback_on_cached_plink",
    ),
    (
        "mysqlnd",
        "collect_memory_statistics collect_statistics debug fetch_data_copy log_mask \
         mempool_default_size net_cmd_buffer_size net_read_buffer_size net_read_timeout \
         sha256_server_public_key trace_alloc",
    ),
    (
        "oci8",
        "connection_class default_prefetch events max_persistent old_oci_close_semantics \
         persistent_timeout ping_interval prefetch_lob_size privileged_connect \
         statement_cache_size",
    ),
    (
        "odbc",
        "allow_persistent check_persistent default_cursortype default_db default_pw default_user \
         defaultbinmode defaultlrl max_links max_persistent",
    ),
    (
        "opcache",
        "blacklist_filename cache_id consistency_checks dups_fix enable enable_cli \
         enable_file_override error_log file_cache file_cache_consistency_checks \
         file_cache_fallback file_cache_only file_cache_read_only file_update_protection \
         force_restart_timeout huge_code_pages interned_strings_buffer jit jit_bisect_limit \
         jit_blacklist_root_trace jit_blacklist_side_trace jit_buffer_size jit_debug jit_hot_func \
         jit_hot_loop jit_hot_return jit_hot_side_exit jit_max_exit_counters jit_max_loop_unrolls \
         jit_max_polymorphic_calls jit_max_recursive_calls jit_max_recursive_returns \
         jit_max_root_traces jit_max_side_traces jit_max_trace_length jit_prof_threshold \
         lockfile_path log_invalid_files log_verbosity_level max_accelerated_files max_file_size \
         max_wasted_percentage memory_consumption mmap_base opt_debug_level optimization_level \
         preferred_memory_model preload preload_user protect_memory record_warnings restrict_api \
         revalidate_freq revalidate_path save_comments use_cwd validate_permission validate_root \
         validate_timestamps",
    ),
    ("openssl", "cafile capath"),
    ("pcre", "backtrack_limit jit recursion_limit"),
    ("pdo_mysql", "default_socket"),
    ("pdo_odbc", "connection_pooling db2_instance_name"),
    (
        "pgsql",
        "allow_persistent auto_reset_persistent ignore_notice log_notice max_links max_persistent",
    ),
    ("phar", "cache_list readonly require_hash"),
    (
        "session",
        "auto_start cache_expire cache_limiter cookie_domain cookie_httponly cookie_lifetime \
         cookie_partitioned cookie_path cookie_samesite cookie_secure gc_divisor gc_maxlifetime \
         gc_probability lazy_write name referer_check save_handler save_path serialize_handler \
         sid_bits_per_character sid_length trans_sid_hosts trans_sid_tags upload_progress.cleanup \
         upload_progress.enabled upload_progress.freq upload_progress.min_freq \
         upload_progress.name upload_progress.prefix use_cookies use_only_cookies use_strict_mode \
         use_trans_sid",
    ),
    ("soap", "wsdl_cache wsdl_cache_dir wsdl_cache_enabled wsdl_cache_limit wsdl_cache_ttl"),
    ("sqlite3", "defensive extension_dir"),
    ("syslog", "facility filter ident"),
    ("sysvshm", "init_mem"),
    ("tidy", "clean_output default_config"),
    ("url_rewriter", "hosts tags"),
    ("user_ini", "cache_ttl filename"),
    ("windows", "show_crt_warning"),
    (
        "zend",
        "assertions detect_unicode enable_gc exception_ignore_args exception_string_param_max_len \
         max_allowed_stack_size multibyte reserved_stack_size script_encoding signal_check",
    ),
    ("zlib", "output_compression output_compression_level output_handler"),
];

/// What is to be said of the names in `ini`, of each once for each site.
pub(super) fn misspelt(plan: &Plan) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for Pool { name: site, ini, .. } in &plan.pools {
        for (name, meant) in ini.iter().filter_map(|(name, _)| Some((name, unknown(name)?))) {
            let cause = format!("PHP has no setting `{name}` and would not say so");
            let cure = match meant {
                Some(meant) => format!("did you mean `{meant}`? {UNLESS}"),
                None => format!("leave it out; {UNLESS}"),
            };
            let finding = Finding::remark(format!("`ini` of {site}"), cause, cure);
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
    }
    found
}

const UNLESS: &str = "If an extension of yours has it, all is well";

/// Whether no setting of PHP is called `name`, where it is about one of PHP's own; then what was
/// meant, where that can be guessed. What else there is before a dot is an extension's.
fn unknown(name: &str) -> Option<Option<String>> {
    let (group, rest) = name.split_once('.').unwrap_or(("", name));
    let own = |group: &str| OWN.iter().find(|(known, _)| *known == group).map(|(_, names)| *names);
    let join = |group: &str, rest: &str| match group {
        "" => rest.to_owned(),
        _ => format!("{group}.{rest}"),
    };
    if let Some(names) = own(group) {
        let is_known = names.split(' ').any(|known| known == rest);
        return (!is_known).then(|| Some(join(group, nearest(rest, names.split(' '))?)));
    }
    let groups = OWN.iter().map(|(known, _)| *known).filter(|known| !known.is_empty());
    let meant = nearest(group, groups.filter(|known| known.len().abs_diff(group.len()) <= 1))?;
    let has_it = own(meant)?.split(' ').any(|known| known == rest);
    has_it.then(|| Some(join(meant, rest)))
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn slips_are_found_and_settings_of_extensions_left_alone() {
        for name in [
            "memory_limit",
            "SMTP",
            "opcache.jit",
            "session.upload_progress.name",
            "mysqlnd.debug",
            "mysqlnd_qc.collect_statistics",
            "xdebug.mode",
            "apc.shm_size",
            "brotli.output_compression",
            "ioncube.loader.encoded_paths",
        ] {
            assert_eq!(unknown(name), None, "{name}");
        }
        for (name, meant) in [
            ("memory_limt", "memory_limit"),
            ("Memory_Limit", "memory_limit"),
            ("upload-max-filesize", "upload_max_filesize"),
            ("opcache.memory_consumtion", "opcache.memory_consumption"),
            ("opcahce.enable", "opcache.enable"),
            ("session.gc_maxlife_time", "session.gc_maxlifetime"),
        ] {
            assert_eq!(unknown(name), Some(Some(meant.to_owned())), "{name}");
        }
        for name in ["workers", "session.colour"] {
            assert_eq!(unknown(name), Some(None), "{name}");
        }
    }
}
