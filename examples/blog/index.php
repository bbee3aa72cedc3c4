<?php
$page = htmlspecialchars($_SERVER['REQUEST_URI']);
echo "<!doctype html><link rel=stylesheet href=/style.css><title>Blog</title><p>This is $page.\n";
